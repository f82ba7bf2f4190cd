"""Discounts, taxes and further shares of a sale; partial refunds; volumes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

AFTER = """
GRANT SELECT, INSERT, UPDATE ON __merchant__.volume TO __merchant__;
GRANT UPDATE (cancelled, refunded, refunded_goods_minor, refunded_shipping_minor) ON __merchant__.order_line TO __merchant__;
GRANT UPDATE (failure, restocked) ON __merchant__.refund TO __merchant__;
-- What was sold and refunded before is what this revision's columns would have said of it.
UPDATE __merchant__.daily_total SET net_minor =
    goods_minor + shipping_minor - commission_minor - refunds_minor + commission_returned_minor;
UPDATE __merchant__.refund SET merchant_minor = amount_minor - commission_minor;
UPDATE __merchant__.orders AS sold SET refunded_minor = back.amount_minor
FROM (SELECT order_id, sum(amount_minor)::bigint AS amount_minor FROM __merchant__.refund GROUP BY order_id) AS back
WHERE back.order_id = sold.id;
UPDATE __merchant__.order_line AS line
SET cancelled = line.quantity, refunded = line.quantity,
    refunded_goods_minor = line.goods_minor, refunded_shipping_minor = line.shipping_minor
FROM __merchant__.refund AS back WHERE back.order_id = line.order_id;
"""


def upgrade() -> None:
    op.add_column(
        "orders",
        sa.Column("discount_merchant_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "orders",
        sa.Column("discount_platform_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "orders",
        sa.Column("added_tax_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "orders",
        sa.Column("refunded_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "orders", sa.Column("collected_by", sa.Text(), server_default="platform", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "orders", sa.Column("hold_stopped_at", sa.DateTime(timezone=True), nullable=True), schema="__merchant__"
    )
    op.add_column(
        "orders", sa.Column("open_disputes", sa.Integer(), server_default="0", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "order_line",
        sa.Column("discount_merchant_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "order_line",
        sa.Column("discount_platform_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "order_line", sa.Column("tax_minor", sa.BigInteger(), server_default="0", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "order_line", sa.Column("tax_rate_bps", sa.Integer(), server_default="0", nullable=False), schema="__merchant__"
    )
    op.add_column("order_line", sa.Column("tax_jurisdiction", sa.Text(), nullable=True), schema="__merchant__")
    op.add_column(
        "order_line",
        sa.Column("tax_inclusive", sa.Boolean(), server_default="true", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "order_line",
        sa.Column("tax_covers_shipping", sa.Boolean(), server_default="false", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "order_line",
        sa.Column("tax_remitted_by", sa.Text(), server_default="merchant", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "order_line", sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "order_line", sa.Column("refunded", sa.Integer(), server_default="0", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "order_line",
        sa.Column("refunded_goods_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "order_line",
        sa.Column("refunded_shipping_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("sales_tax_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("commission_tax_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("payment_fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("platform_fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("shares_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("subsidy_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("shares", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "split_line",
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        schema="__merchant__",
    )
    op.add_column(
        "refund", sa.Column("kind", sa.Text(), server_default="cancellation", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "refund",
        sa.Column("merchant_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "refund", sa.Column("line_ids", sa.ARRAY(sa.Uuid()), server_default="{}", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "refund",
        sa.Column("quantities", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "refund",
        sa.Column("goods_minor", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "refund",
        sa.Column("shipping_minor", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "refund",
        sa.Column("parties", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        schema="__merchant__",
    )
    op.add_column("refund", sa.Column("return_id", sa.Uuid(), nullable=True), schema="__merchant__")
    op.add_column(
        "refund", sa.Column("restocked", sa.Boolean(), server_default="false", nullable=False), schema="__merchant__"
    )
    op.add_column(
        "refund", sa.Column("requested_by", sa.Text(), server_default="system", nullable=False), schema="__merchant__"
    )
    op.add_column("refund", sa.Column("failure", sa.Text(), nullable=True), schema="__merchant__")
    op.add_column(
        "daily_total",
        sa.Column("discount_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "daily_total",
        sa.Column("tax_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "daily_total",
        sa.Column("commission_tax_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "daily_total",
        sa.Column("payment_fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.add_column(
        "daily_total",
        sa.Column("net_minor", sa.BigInteger(), server_default="0", nullable=False),
        schema="__merchant__",
    )
    op.create_check_constraint(
        op.f("orders_discounts_are_within_goods"),
        "orders",
        "discount_merchant_minor >= 0 AND discount_platform_minor >= 0 AND added_tax_minor >= 0 AND discount_merchant_minor + discount_platform_minor <= goods_minor",
        schema="__merchant__",
    )
    op.drop_constraint("orders_commission_is_a_share", "orders", schema="__merchant__")
    op.create_check_constraint(
        op.f("orders_commission_is_a_share"),
        "orders",
        "commission_minor BETWEEN 0 AND goods_minor + shipping_minor + added_tax_minor",
        schema="__merchant__",
    )
    op.create_check_constraint(
        op.f("orders_refunded_is_within_paid"),
        "orders",
        "refunded_minor BETWEEN 0 AND goods_minor + shipping_minor + added_tax_minor - discount_merchant_minor - discount_platform_minor",
        schema="__merchant__",
    )
    op.create_check_constraint(
        op.f("orders_disputes_are_counted"), "orders", "open_disputes >= 0", schema="__merchant__"
    )
    op.create_check_constraint(
        op.f("orders_collector_is_known"), "orders", "collected_by IN ('platform', 'merchant')", schema="__merchant__"
    )
    op.drop_constraint("order_line_quantities_add_up", "order_line", schema="__merchant__")
    op.create_check_constraint(
        op.f("order_line_quantities_add_up"),
        "order_line",
        "0 <= delivered AND delivered <= shipped AND cancelled >= 0 AND shipped + cancelled <= quantity AND cancelled <= refunded AND refunded <= quantity",
        schema="__merchant__",
    )
    op.create_check_constraint(
        op.f("order_line_refunded_is_not_negative"),
        "order_line",
        "refunded_goods_minor >= 0 AND refunded_shipping_minor >= 0",
        schema="__merchant__",
    )
    op.create_check_constraint(
        op.f("order_line_remitter_is_known"),
        "order_line",
        "tax_remitted_by IN ('merchant', 'platform')",
        schema="__merchant__",
    )
    op.drop_constraint("split_line_bound_is_known", "split_line", schema="__merchant__")
    op.create_check_constraint(
        op.f("split_line_bound_is_known"),
        "split_line",
        "bound IN ('none', 'floor', 'cap', 'base', 'money')",
        schema="__merchant__",
    )
    op.drop_constraint("refund_amounts_add_up", "refund", schema="__merchant__")
    op.create_check_constraint(
        op.f("refund_amounts_add_up"), "refund", "amount_minor > 0 AND commission_minor >= 0", schema="__merchant__"
    )
    op.drop_constraint("refund_status_is_known", "refund", schema="__merchant__")
    op.create_check_constraint(
        op.f("refund_status_is_known"),
        "refund",
        "status IN ('pending', 'sent', 'failed', 'unknown', 'offline')",
        schema="__merchant__",
    )
    op.create_check_constraint(
        op.f("refund_has_parallel_lines"),
        "refund",
        "cardinality(line_ids) = cardinality(quantities) AND cardinality(line_ids) = cardinality(goods_minor) AND cardinality(line_ids) = cardinality(shipping_minor)",
        schema="__merchant__",
    )
    op.create_table(
        "volume",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("window_starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_minor", sa.BigInteger(), nullable=False),
        sa.Column("reached_minor", sa.BigInteger(), nullable=False),
        sa.Column("open_base_minor", sa.BigInteger(), nullable=False),
        sa.Column("open_part_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("plan", "rule", "currency", "window_starts_at", name=op.f("volume_pkey")),
        schema="__merchant__",
    )
    op.execute(AFTER)
