"""Coupons, sales tax, returns, chargebacks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

AFTER = """
GRANT SELECT, INSERT, UPDATE ON platform.chargeback TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.chargeback TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE ON platform.coupon TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.return_request TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.return_request TO merchantry_merchant;
GRANT SELECT, INSERT ON platform.tax_rate TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (status) ON platform.coupon_use TO merchantry_platform;
ALTER TABLE platform.chargeback ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.chargeback TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.chargeback TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.return_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.return_request TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.return_request TO merchantry_platform
    USING (true) WITH CHECK (true);
GRANT UPDATE (refunded_minor) ON platform.tender TO merchantry_platform;
"""


def upgrade() -> None:
    op.add_column(
        "checkout", sa.Column("discount_minor", sa.BigInteger(), server_default="0", nullable=False), schema="platform"
    )
    op.add_column(
        "checkout", sa.Column("added_tax_minor", sa.BigInteger(), server_default="0", nullable=False), schema="platform"
    )
    op.add_column(
        "payment", sa.Column("refunded_minor", sa.BigInteger(), server_default="0", nullable=False), schema="platform"
    )
    op.add_column(
        "tender", sa.Column("refunded_minor", sa.BigInteger(), server_default="0", nullable=False), schema="platform"
    )
    op.create_check_constraint(
        op.f("payment_refunded_is_within_amount"),
        "payment",
        "refunded_minor BETWEEN 0 AND amount_minor",
        schema="platform",
    )
    op.create_check_constraint(
        op.f("tender_refunded_is_within_amount"),
        "tender",
        "refunded_minor BETWEEN 0 AND amount_minor",
        schema="platform",
    )
    op.create_table(
        "chargeback",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("covered_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fee_borne_by", sa.Text(), server_default="merchant", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("respond_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_seq", sa.BigInteger(), nullable=True),
        sa.Column("entry_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("fee_borne_by IN ('merchant', 'platform')", name=op.f("chargeback_bearer_is_known")),
        sa.CheckConstraint("status IN ('opened', 'lost', 'won')", name=op.f("chargeback_status_is_known")),
        sa.CheckConstraint(
            "amount_minor > 0 AND covered_minor BETWEEN 0 AND amount_minor", name=op.f("chargeback_amounts_add_up")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("chargeback_pkey")),
        sa.UniqueConstraint(
            "merchant_id",
            "provider_reference",
            "round",
            name=op.f("chargeback_merchant_id_provider_reference_round_key"),
        ),
        schema="platform",
    )
    op.create_index(
        op.f("chargeback_merchant_id_opened_at_id_idx"),
        "chargeback",
        ["merchant_id", "opened_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        op.f("chargeback_status_opened_at_id_idx"),
        "chargeback",
        ["status", "opened_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "coupon",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("percent_bps", sa.Integer(), nullable=False),
        sa.Column("amount_minor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("minimum_minor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("most_minor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merchant_share_bps", sa.Integer(), nullable=False),
        sa.Column("merchants", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("categories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("products", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("most_uses", sa.Integer(), nullable=True),
        sa.Column("most_uses_per_buyer", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('percent', 'amount')", name=op.f("coupon_kind_is_known")),
        sa.CheckConstraint("status IN ('active', 'paused', 'ended')", name=op.f("coupon_status_is_known")),
        sa.CheckConstraint(
            "percent_bps BETWEEN 0 AND 10000 AND merchant_share_bps BETWEEN 0 AND 10000",
            name=op.f("coupon_rates_are_shares"),
        ),
        sa.CheckConstraint(
            "uses >= 0 AND (most_uses IS NULL OR uses <= most_uses)", name=op.f("coupon_uses_are_within_limit")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("coupon_pkey")),
        sa.UniqueConstraint("code", name=op.f("coupon_code_key")),
        schema="platform",
    )
    op.create_index(
        op.f("coupon_merchant_id_created_at_id_idx"),
        "coupon",
        ["merchant_id", "created_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "return_request",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("line_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("quantities", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("send_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status IN ('requested', 'approved', 'rejected', 'received', 'refunded', 'expired', 'withdrawn')",
            name=op.f("return_request_status_is_known"),
        ),
        sa.CheckConstraint(
            "cardinality(line_ids) > 0 AND cardinality(line_ids) = cardinality(quantities)",
            name=op.f("return_request_has_lines"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("return_request_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("return_request_merchant_id_order_id_idx"),
        "return_request",
        ["merchant_id", "order_id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        op.f("return_request_merchant_id_requested_at_id_idx"),
        "return_request",
        ["merchant_id", "requested_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "tax_rate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("rate_bps", sa.Integer(), nullable=False),
        sa.Column("inclusive", sa.Boolean(), nullable=False),
        sa.Column("covers_shipping", sa.Boolean(), nullable=False),
        sa.Column("remitted_by", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("remitted_by IN ('merchant', 'platform')", name=op.f("tax_rate_remitter_is_known")),
        sa.CheckConstraint("rate_bps BETWEEN 0 AND 10000", name=op.f("tax_rate_rate_is_a_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("tax_rate_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("tax_rate_country_region_category_effective_from_idx"),
        "tax_rate",
        ["country", "region", "category", "effective_from"],
        unique=True,
        schema="platform",
    )
    op.create_table(
        "coupon_use",
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("checkout_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('used', 'given_back')", name=op.f("coupon_use_status_is_known")),
        sa.ForeignKeyConstraint(["coupon_id"], ["platform.coupon.id"], name=op.f("coupon_use_coupon_id_fkey")),
        sa.PrimaryKeyConstraint("coupon_id", "checkout_id", name=op.f("coupon_use_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("coupon_use_coupon_id_buyer_id_idx"),
        "coupon_use",
        ["coupon_id", "buyer_id"],
        unique=False,
        schema="platform",
    )
    op.create_index(op.f("coupon_use_checkout_id_idx"), "coupon_use", ["checkout_id"], unique=False, schema="platform")
    op.execute(AFTER)
