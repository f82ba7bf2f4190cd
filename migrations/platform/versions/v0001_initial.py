"""The mall's own tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

BEFORE = """
-- Whether the postings of an entry (parallel arrays) sum to zero in each currency. Bound by CHECK constraints of the
-- ledgers: never replaced once released (a stricter rule is a new function). RETURN-bodied, so that a restore, which
-- runs with an empty search_path, evaluates the same thing.
CREATE FUNCTION platform.is_balanced(account text[], currency text[], amount bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(
        array_ndims(account) = 1 AND array_ndims(currency) = 1 AND array_ndims(amount) = 1
        AND cardinality(amount) >= 2, false)
    AND NOT EXISTS (
        SELECT FROM unnest(account, currency, amount) AS posting (a, c, m)
        WHERE a IS NULL OR c IS NULL OR m IS NULL)
    AND NOT EXISTS (
        SELECT FROM unnest(currency, amount) AS posting (c, m) GROUP BY c HAVING sum(m) <> 0);
"""
AFTER = """
GRANT SELECT, INSERT, UPDATE (email) ON platform.account TO merchantry_platform;
GRANT SELECT, INSERT ON platform.audit_event TO merchantry_platform;
GRANT SELECT, INSERT ON platform.audit_event TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE ON platform.buyer_order TO merchantry_platform;
GRANT SELECT (merchant_id, order_id, status), UPDATE (status) ON platform.buyer_order TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE ON platform.category TO merchantry_platform;
GRANT SELECT ON platform.category TO merchantry_merchant;
GRANT SELECT ON platform.category TO merchantry_public;
GRANT SELECT ON platform.category TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE ON platform.checkout TO merchantry_platform;
GRANT SELECT, INSERT ON platform.checkout_quote TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (status, approved_by, approved_at) ON platform.commission_plan TO merchantry_platform;
GRANT SELECT, INSERT ON platform.idempotency TO merchantry_platform;
GRANT SELECT, INSERT ON platform.idempotency TO merchantry_merchant;
GRANT SELECT, INSERT ON platform.imported TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.job TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (due_at, leased_until, attempts, last_error), DELETE ON platform.job TO merchantry_merchant;
GRANT SELECT ON platform.listing TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.listing TO merchantry_merchant;
GRANT SELECT ON platform.listing TO merchantry_public;
GRANT SELECT ON platform.log_queue TO merchantry_platform;
GRANT INSERT ON platform.log_queue TO merchantry_merchant;
GRANT SELECT, UPDATE ON platform.mall TO merchantry_platform;
GRANT SELECT ON platform.mall TO merchantry_merchant;
GRANT SELECT ON platform.mall TO merchantry_public;
GRANT SELECT ON platform.mall TO merchantry_analyst;
GRANT SELECT, UPDATE (status) ON platform.merchant TO merchantry_platform;
GRANT SELECT ON platform.merchant TO merchantry_public;
GRANT SELECT ON platform.merchant TO merchantry_analyst;
GRANT SELECT, INSERT ON platform.notification TO merchantry_platform;
GRANT SELECT, INSERT ON platform.notification TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE ON platform.payment TO merchantry_platform;
GRANT SELECT ON platform.platform_entry TO merchantry_platform;
GRANT INSERT ON platform.platform_entry TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE ON platform.sandbox_charge TO merchantry_platform;
GRANT SELECT, INSERT, DELETE ON platform.membership TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.merchant_profile TO merchantry_platform;
GRANT SELECT ON platform.merchant_profile TO merchantry_merchant;
GRANT SELECT ON platform.merchant_profile TO merchantry_public;
GRANT SELECT ON platform.merchant_profile TO merchantry_analyst;
GRANT SELECT, INSERT, DELETE ON platform.platform_role TO merchantry_platform;
GRANT SELECT, INSERT ON platform.sandbox_refund TO merchantry_platform;
GRANT SELECT, INSERT ON platform.tender TO merchantry_platform;
ALTER TABLE platform.audit_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.audit_event TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.audit_event TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.buyer_order ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.buyer_order TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.buyer_order TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.idempotency TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.idempotency TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.job TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.job TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.listing ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.listing TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.listing TO merchantry_platform, merchantry_public
    USING (true) WITH CHECK (true);
ALTER TABLE platform.log_queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.log_queue TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.log_queue TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.notification ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.notification TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.notification TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.platform_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.platform_entry TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.platform_entry TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.merchant_profile ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.merchant_profile TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.merchant_profile TO merchantry_platform, merchantry_public, merchantry_analyst
    USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    op.execute(BEFORE)
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("account_pkey")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("account_issuer_subject_key")),
        schema="platform",
    )
    op.create_table(
        "audit_event",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "before",
            postgresql.JSONB(),
            nullable=True,
        ),
        sa.Column(
            "after",
            postgresql.JSONB(),
            nullable=True,
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("audit_event_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("audit_event_booked_at_id_idx"), "audit_event", ["booked_at", "id"], unique=False, schema="platform"
    )
    op.create_index(
        op.f("audit_event_merchant_id_booked_at_id_idx"),
        "audit_event",
        ["merchant_id", "booked_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "buyer_order",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("checkout_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("merchant_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "order_id", name=op.f("buyer_order_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("buyer_order_buyer_id_placed_at_order_id_idx"),
        "buyer_order",
        ["buyer_id", "placed_at", "order_id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        op.f("buyer_order_checkout_id_idx"), "buyer_order", ["checkout_id"], unique=False, schema="platform"
    )
    op.create_table(
        "category",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["platform.category.code"], name=op.f("category_parent_fkey")),
        sa.PrimaryKeyConstraint("code", name=op.f("category_pkey")),
        schema="platform",
    )
    op.create_table(
        "checkout",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "ship_to",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('awaiting_payment', 'paid', 'cancelled', 'expired')", name=op.f("checkout_status_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("checkout_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("checkout_buyer_id_placed_at_id_idx"),
        "checkout",
        ["buyer_id", "placed_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "checkout_quote",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "cart",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("checkout_quote_pkey")),
        schema="platform",
    )
    op.create_table(
        "commission_plan",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "document",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('proposed', 'approved', 'rejected')", name=op.f("commission_plan_status_is_known")
        ),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("commission_plan_pkey")),
        schema="platform",
    )
    op.create_table(
        "idempotency",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("mutation", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "actor", "key", name=op.f("idempotency_pkey")),
        schema="platform",
    )
    op.create_table(
        "imported",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "reference", name=op.f("imported_pkey")),
        schema="platform",
    )
    op.create_table(
        "job",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "kind", "subject_id", name=op.f("job_pkey")),
        schema="platform",
    )
    op.create_index(op.f("job_due_at_idx"), "job", ["due_at"], unique=False, schema="platform")
    op.create_table(
        "listing",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("image_urls", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "variants",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "product_id", name=op.f("listing_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("listing_category_published_at_product_id_idx"),
        "listing",
        ["category", "published_at", "product_id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        op.f("listing_published_at_product_id_idx"),
        "listing",
        ["published_at", "product_id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "log_queue",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(commitment) = 32", name=op.f("log_queue_commitment_is_sha256")),
        sa.PrimaryKeyConstraint("merchant_id", "seq", name=op.f("log_queue_pkey")),
        schema="platform",
    )
    op.create_table(
        "mall",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("mall_is_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_pkey")),
        schema="platform",
    )
    op.create_table(
        "merchant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'", name=op.f("merchant_slug_is_a_host_label")),
        sa.CheckConstraint(
            "status IN ('active', 'suspended', 'closing', 'closed')", name=op.f("merchant_status_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("merchant_pkey")),
        sa.UniqueConstraint("slug", name=op.f("merchant_slug_key")),
        schema="platform",
    )
    op.create_table(
        "notification",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "subject",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("notification_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("notification_merchant_id_created_at_id_idx"),
        "notification",
        ["merchant_id", "created_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("checkout_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'captured') = (captured_at IS NOT NULL)", name=op.f("payment_captured_has_a_moment")
        ),
        sa.CheckConstraint(
            "status IN ('processing', 'action_required', 'authorised', 'captured', 'failed', 'expired')",
            name=op.f("payment_status_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("payment_pkey")),
        schema="platform",
    )
    op.create_index(op.f("payment_checkout_id_idx"), "payment", ["checkout_id"], unique=False, schema="platform")
    op.create_index(
        "payment_one_open",
        "payment",
        ["checkout_id"],
        unique=True,
        schema="platform",
        postgresql_where="status NOT IN ('failed', 'expired')",
    )
    op.create_table(
        "platform_entry",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("currency", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("amount", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.CheckConstraint("platform.is_balanced(account, currency, amount)", name=op.f("platform_entry_is_balanced")),
        sa.PrimaryKeyConstraint("merchant_id", "seq", name=op.f("platform_entry_pkey")),
        schema="platform",
    )
    op.create_table(
        "sandbox_charge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolves_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND amount_minor", name=op.f("sandbox_charge_refunded_is_within_amount")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sandbox_charge_pkey")),
        schema="platform",
    )
    op.create_table(
        "membership",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["platform.account.id"], name=op.f("membership_account_id_fkey")),
        sa.ForeignKeyConstraint(["merchant_id"], ["platform.merchant.id"], name=op.f("membership_merchant_id_fkey")),
        sa.PrimaryKeyConstraint("merchant_id", "account_id", "role", name=op.f("membership_pkey")),
        schema="platform",
    )
    op.create_index(op.f("membership_account_id_idx"), "membership", ["account_id"], unique=False, schema="platform")
    op.create_table(
        "merchant_profile",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("settlement_cycle", sa.Text(), nullable=False),
        sa.Column("seller_of_record", sa.Text(), nullable=False),
        sa.Column("commission_plan", sa.Text(), nullable=False),
        sa.Column(
            "shipping_options",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("complete_days_after_delivery", sa.Integer(), nullable=False),
        sa.Column("complete_days_after_shipping", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "seller_of_record IN ('agent', 'principal')", name=op.f("merchant_profile_seller_of_record_is_known")
        ),
        sa.CheckConstraint(
            "settlement_cycle IN ('daily', 'weekly', 'monthly')", name=op.f("merchant_profile_cycle_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["platform.merchant.id"], name=op.f("merchant_profile_merchant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("merchant_profile_pkey")),
        sa.UniqueConstraint("number", name=op.f("merchant_profile_number_key")),
        schema="platform",
    )
    op.create_table(
        "platform_role",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["platform.account.id"], name=op.f("platform_role_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "role", name=op.f("platform_role_pkey")),
        schema="platform",
    )
    op.create_table(
        "sandbox_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("charge_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_id"], ["platform.sandbox_charge.id"], name=op.f("sandbox_refund_charge_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sandbox_refund_pkey")),
        schema="platform",
    )
    op.create_table(
        "tender",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["payment_id"], ["platform.payment.id"], name=op.f("tender_payment_id_fkey")),
        sa.PrimaryKeyConstraint("payment_id", "position", name=op.f("tender_pkey")),
        schema="platform",
    )
    op.execute(AFTER)
    op.execute("INSERT INTO platform.mall (id, name, time_zone) VALUES (1, 'Merchantry', 'UTC')")
