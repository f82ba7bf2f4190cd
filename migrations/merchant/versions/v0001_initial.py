"""A merchant's tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

AFTER = """
-- An entry's postings as rows. security_invoker: a view must not read more than whoever asks.
CREATE VIEW __merchant__.posting WITH (security_invoker = true) AS
SELECT entry.seq, entry.kind, entry.order_id, entry.occurred_at, entry.booked_at, entry.available_at,
       posting.account, posting.currency, posting.amount
FROM __merchant__.ledger_entry AS entry,
     unnest(entry.account, entry.currency, entry.amount) AS posting (account, currency, amount);
GRANT SELECT ON __merchant__.posting TO __merchant__;
INSERT INTO __merchant__.counter (name, value) VALUES ('order', 0), ('entry', 0);
GRANT SELECT, INSERT, UPDATE ON __merchant__.balance TO __merchant__;
GRANT SELECT, INSERT, UPDATE ON __merchant__.counter TO __merchant__;
GRANT SELECT, INSERT, UPDATE ON __merchant__.daily_available TO __merchant__;
GRANT SELECT ON __merchant__.daily_available TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE ON __merchant__.daily_total TO __merchant__;
GRANT SELECT ON __merchant__.daily_total TO merchantry_analyst;
GRANT SELECT, INSERT ON __merchant__.ledger_entry TO __merchant__;
GRANT SELECT, INSERT, UPDATE ON __merchant__.orders TO __merchant__;
GRANT SELECT ON __merchant__.orders TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE ON __merchant__.product TO __merchant__;
GRANT SELECT, INSERT ON __merchant__.order_event TO __merchant__;
GRANT SELECT ON __merchant__.order_event TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE (shipped, delivered) ON __merchant__.order_line TO __merchant__;
GRANT SELECT ON __merchant__.order_line TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE (status, sent_at) ON __merchant__.refund TO __merchant__;
GRANT SELECT ON __merchant__.refund TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE (delivered_at) ON __merchant__.shipment TO __merchant__;
GRANT SELECT ON __merchant__.shipment TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE ON __merchant__.variant TO __merchant__;
GRANT SELECT, INSERT, UPDATE ON __merchant__.price TO __merchant__;
GRANT SELECT, INSERT ON __merchant__.split_line TO __merchant__;
"""


def upgrade() -> None:
    op.create_table(
        "balance",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "currency", name=op.f("balance_pkey")),
        schema="__merchant__",
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("counter_pkey")),
        schema="__merchant__",
    )
    op.create_table(
        "daily_available",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "currency", "period_start", name=op.f("daily_available_pkey")),
        schema="__merchant__",
    )
    op.create_table(
        "daily_total",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_minor", sa.BigInteger(), nullable=False),
        sa.Column("commission_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunds_minor", sa.BigInteger(), nullable=False),
        sa.Column("commission_returned_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "currency", "category", name=op.f("daily_total_pkey")),
        schema="__merchant__",
    )
    op.create_table(
        "ledger_entry",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.Column("account", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("currency", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("amount", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(salt) = 32", name=op.f("ledger_entry_salt_is_32_bytes")),
        sa.CheckConstraint("platform.is_balanced(account, currency, amount)", name=op.f("ledger_entry_is_balanced")),
        sa.PrimaryKeyConstraint("seq", name=op.f("ledger_entry_pkey")),
        schema="__merchant__",
    )
    op.create_index(
        op.f("ledger_entry_order_id_idx"), "ledger_entry", ["order_id"], unique=False, schema="__merchant__"
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("checkout_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_option", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column(
            "ship_to",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_days", sa.Integer(), nullable=True),
        sa.Column("hold_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("commission_minor", sa.BigInteger(), nullable=True),
        sa.Column("capture_seq", sa.BigInteger(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('awaiting_payment', 'to_ship', 'partially_shipped', 'shipped', 'delivered', 'completed', 'cancelled', 'refunded')",
            name=op.f("orders_status_is_known"),
        ),
        sa.CheckConstraint("(captured_at IS NULL) = (capture_seq IS NULL)", name=op.f("orders_captured_is_booked")),
        sa.CheckConstraint(
            "commission_minor BETWEEN 0 AND goods_minor + shipping_minor", name=op.f("orders_commission_is_a_share")
        ),
        sa.CheckConstraint("goods_minor >= 0 AND shipping_minor >= 0", name=op.f("orders_amounts_are_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("orders_pkey")),
        sa.UniqueConstraint("number", name=op.f("orders_number_key")),
        schema="__merchant__",
    )
    op.create_index(op.f("orders_placed_at_id_idx"), "orders", ["placed_at", "id"], unique=False, schema="__merchant__")
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("image_urls", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'published', 'archived')", name=op.f("product_status_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("product_pkey")),
        schema="__merchant__",
    )
    op.create_index(
        op.f("product_created_at_id_idx"), "product", ["created_at", "id"], unique=False, schema="__merchant__"
    )
    op.create_table(
        "order_event",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["order_id"], ["__merchant__.orders.id"], name=op.f("order_event_order_id_fkey")),
        sa.PrimaryKeyConstraint("order_id", "seq", name=op.f("order_event_pkey")),
        schema="__merchant__",
    )
    op.create_table(
        "order_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipped", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "0 <= delivered AND delivered <= shipped AND shipped <= quantity", name=op.f("order_line_quantities_add_up")
        ),
        sa.CheckConstraint(
            "quantity > 0 AND goods_minor = unit_price_minor * quantity", name=op.f("order_line_goods_add_up")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["__merchant__.orders.id"], name=op.f("order_line_order_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("order_line_pkey")),
        schema="__merchant__",
    )
    op.create_index(op.f("order_line_order_id_idx"), "order_line", ["order_id"], unique=False, schema="__merchant__")
    op.create_table(
        "refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("commission_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'sent')", name=op.f("refund_status_is_known")),
        sa.CheckConstraint(
            "amount_minor > 0 AND commission_minor BETWEEN 0 AND amount_minor", name=op.f("refund_amounts_add_up")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["__merchant__.orders.id"], name=op.f("refund_order_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("refund_pkey")),
        schema="__merchant__",
    )
    op.create_index(op.f("refund_order_id_idx"), "refund", ["order_id"], unique=False, schema="__merchant__")
    op.create_table(
        "shipment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("tracking_number", sa.Text(), nullable=False),
        sa.Column("line_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("quantities", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cardinality(line_ids) > 0 AND cardinality(line_ids) = cardinality(quantities)",
            name=op.f("shipment_has_lines"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["__merchant__.orders.id"], name=op.f("shipment_order_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("shipment_pkey")),
        schema="__merchant__",
    )
    op.create_index(op.f("shipment_order_id_idx"), "shipment", ["order_id"], unique=False, schema="__merchant__")
    op.create_table(
        "variant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.CheckConstraint("reserved >= 0 AND reserved <= on_hand", name=op.f("variant_reserved_is_on_hand")),
        sa.ForeignKeyConstraint(["product_id"], ["__merchant__.product.id"], name=op.f("variant_product_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("variant_pkey")),
        sa.UniqueConstraint("sku", name=op.f("variant_sku_key")),
        schema="__merchant__",
    )
    op.create_index(op.f("variant_product_id_idx"), "variant", ["product_id"], unique=False, schema="__merchant__")
    op.create_table(
        "price",
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("price_amount_is_not_negative")),
        sa.ForeignKeyConstraint(["variant_id"], ["__merchant__.variant.id"], name=op.f("price_variant_id_fkey")),
        sa.PrimaryKeyConstraint("variant_id", "currency", name=op.f("price_pkey")),
        schema="__merchant__",
    )
    op.create_table(
        "split_line",
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("rate_bps", sa.Integer(), nullable=False),
        sa.Column("rate_part_minor", sa.BigInteger(), nullable=False),
        sa.Column("fixed_minor", sa.BigInteger(), nullable=False),
        sa.Column("bound", sa.Text(), nullable=False),
        sa.Column("commission_minor", sa.BigInteger(), nullable=False),
        sa.Column("merchant_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bound IN ('none', 'floor', 'cap', 'base')", name=op.f("split_line_bound_is_known")),
        sa.CheckConstraint(
            "commission_minor BETWEEN 0 AND base_minor", name=op.f("split_line_commission_is_within_base")
        ),
        sa.ForeignKeyConstraint(
            ["order_line_id"], ["__merchant__.order_line.id"], name=op.f("split_line_order_line_id_fkey")
        ),
        sa.PrimaryKeyConstraint("order_line_id", name=op.f("split_line_pkey")),
        schema="__merchant__",
    )
    op.create_index(op.f("split_line_order_id_idx"), "split_line", ["order_id"], unique=False, schema="__merchant__")
    op.execute(AFTER)
