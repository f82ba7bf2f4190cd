"""Tables of a merchant's schema. At most 20, and no index without a query: all is multiplied by the merchants.

Append-only tables (``order_event``, ``split_line``, ``ledger_entry``) are so by privilege: no role that the program
logs in as, or becomes, holds UPDATE, DELETE or TRUNCATE on them.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from merchantry.tables.columns import count, document, id_of, instant, minor, words
from tenancy.tables import grants, merchant_metadata

READ = "SELECT"
APPEND = "SELECT, INSERT"
CHANGE = "SELECT, INSERT, UPDATE"

product = Table(
    "product",
    merchant_metadata,
    id_of("id", primary_key=True),
    words("title"),
    words("description"),
    words("category"),
    words("status"),
    Column("image_urls", ARRAY(Text), nullable=False),
    instant("created_at"),
    instant("updated_at"),
    CheckConstraint("status IN ('draft', 'published', 'archived')", name="status_is_known"),
    Index(None, "created_at", "id"),
    info=grants(merchant=CHANGE),
)

variant = Table(
    "variant",
    merchant_metadata,
    id_of("id", primary_key=True),
    id_of("product_id"),
    words("sku", unique=True),
    words("title"),
    count("position"),
    count("on_hand"),
    count("reserved"),
    ForeignKeyConstraint(["product_id"], [product.c.id]),
    CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="reserved_is_on_hand"),
    Index(None, "product_id"),
    info=grants(merchant=CHANGE),
)

price = Table(
    "price",
    merchant_metadata,
    id_of("variant_id"),
    words("currency"),
    minor("amount_minor"),
    PrimaryKeyConstraint("variant_id", "currency"),
    ForeignKeyConstraint(["variant_id"], [variant.c.id]),
    CheckConstraint("amount_minor >= 0", name="amount_is_not_negative"),
    info=grants(merchant=CHANGE),
)

orders = Table(
    "orders",
    merchant_metadata,
    id_of("id", primary_key=True),
    words("number", unique=True),
    id_of("checkout_id"),
    words("status"),
    words("currency"),
    minor("goods_minor"),
    minor("shipping_minor"),
    words("shipping_option"),
    words("legal_name"),
    document("ship_to"),
    instant("placed_at"),
    instant("captured_at", nullable=True),
    instant("last_shipped_at", nullable=True),
    instant("last_delivered_at", nullable=True),
    instant("completed_at", nullable=True),
    instant("cancelled_at", nullable=True),
    count("hold_days", nullable=True),
    instant("hold_ends_at", nullable=True),
    instant("available_at", nullable=True),
    minor("commission_minor", nullable=True),
    Column("capture_seq", BigInteger),
    count("events"),
    CheckConstraint("goods_minor >= 0 AND shipping_minor >= 0", name="amounts_are_not_negative"),
    CheckConstraint("commission_minor BETWEEN 0 AND goods_minor + shipping_minor", name="commission_is_a_share"),
    CheckConstraint("(captured_at IS NULL) = (capture_seq IS NULL)", name="captured_is_booked"),
    CheckConstraint(
        "status IN ('awaiting_payment', 'to_ship', 'partially_shipped', 'shipped', 'delivered', 'completed',"
        " 'cancelled', 'refunded')",
        name="status_is_known",
    ),
    Index(None, "placed_at", "id"),
    info=grants(merchant=CHANGE, analyst=READ),
)

order_line = Table(
    "order_line",
    merchant_metadata,
    id_of("id", primary_key=True),
    id_of("order_id"),
    count("position"),
    id_of("product_id"),
    id_of("variant_id"),
    words("sku"),
    words("title"),
    words("category"),
    minor("unit_price_minor"),
    count("quantity"),
    minor("goods_minor"),
    minor("shipping_minor"),
    count("shipped"),
    count("delivered"),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    CheckConstraint("quantity > 0 AND goods_minor = unit_price_minor * quantity", name="goods_add_up"),
    CheckConstraint("0 <= delivered AND delivered <= shipped AND shipped <= quantity", name="quantities_add_up"),
    Index(None, "order_id"),
    info=grants(merchant="SELECT, INSERT, UPDATE (shipped, delivered)", analyst=READ),
)

split_line = Table(
    "split_line",
    merchant_metadata,
    id_of("order_line_id", primary_key=True),
    id_of("order_id"),
    words("plan"),
    count("plan_version"),
    words("rule"),
    minor("base_minor"),
    count("rate_bps"),
    minor("rate_part_minor"),
    minor("fixed_minor"),
    words("bound"),
    minor("commission_minor"),
    minor("merchant_minor"),
    ForeignKeyConstraint(["order_line_id"], [order_line.c.id]),
    CheckConstraint("commission_minor BETWEEN 0 AND base_minor", name="commission_is_within_base"),
    CheckConstraint("bound IN ('none', 'floor', 'cap', 'base')", name="bound_is_known"),
    Index(None, "order_id"),
    info=grants(merchant=APPEND),
)

shipment = Table(
    "shipment",
    merchant_metadata,
    id_of("id", primary_key=True),
    id_of("order_id"),
    words("carrier"),
    words("tracking_number"),
    Column("line_ids", ARRAY(Uuid), nullable=False),
    Column("quantities", ARRAY(Integer), nullable=False),
    instant("shipped_at"),
    instant("delivered_at", nullable=True),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    CheckConstraint("cardinality(line_ids) > 0 AND cardinality(line_ids) = cardinality(quantities)", name="has_lines"),
    Index(None, "order_id"),
    info=grants(merchant="SELECT, INSERT, UPDATE (delivered_at)", analyst=READ),
)

order_event = Table(
    "order_event",
    merchant_metadata,
    id_of("order_id"),
    count("seq"),
    words("kind"),
    words("actor"),
    instant("occurred_at"),
    instant("booked_at"),
    document("details"),
    PrimaryKeyConstraint("order_id", "seq"),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    info=grants(merchant=APPEND, analyst=READ),
)

refund = Table(
    "refund",
    merchant_metadata,
    id_of("id", primary_key=True),
    id_of("order_id"),
    words("currency"),
    minor("amount_minor"),
    minor("commission_minor"),
    words("reason"),
    words("status"),
    Column("entry_seq", BigInteger, nullable=False),
    instant("occurred_at"),
    instant("sent_at", nullable=True),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    CheckConstraint("amount_minor > 0 AND commission_minor BETWEEN 0 AND amount_minor", name="amounts_add_up"),
    CheckConstraint("status IN ('pending', 'sent')", name="status_is_known"),
    Index(None, "order_id"),
    info=grants(merchant="SELECT, INSERT, UPDATE (status, sent_at)", analyst=READ),
)

ledger_entry = Table(
    "ledger_entry",
    merchant_metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    words("kind"),
    id_of("order_id", nullable=True),
    instant("occurred_at"),
    instant("booked_at"),
    instant("available_at", nullable=True),
    Column("reverses", BigInteger),
    Column("account", ARRAY(Text), nullable=False),
    Column("currency", ARRAY(Text), nullable=False),
    Column("amount", ARRAY(BigInteger), nullable=False),
    document("details"),
    Column("salt", LargeBinary, nullable=False),
    CheckConstraint("platform.is_balanced(account, currency, amount)", name="is_balanced"),
    CheckConstraint("octet_length(salt) = 32", name="salt_is_32_bytes"),
    Index(None, "order_id"),
    Index("ledger_entry_available_at", "available_at", postgresql_where="available_at IS NOT NULL"),
    info=grants(merchant=APPEND),
)

balance = Table(
    "balance",
    merchant_metadata,
    words("account"),
    words("currency"),
    minor("amount_minor"),
    PrimaryKeyConstraint("account", "currency"),
    info=grants(merchant=CHANGE),
)

daily_total = Table(
    "daily_total",
    merchant_metadata,
    Column("day", Date, nullable=False),
    words("currency"),
    words("category"),
    count("orders"),
    minor("goods_minor"),
    minor("shipping_minor"),
    minor("commission_minor"),
    minor("refunds_minor"),
    minor("commission_returned_minor"),
    PrimaryKeyConstraint("day", "currency", "category"),
    info=grants(merchant=CHANGE, analyst=READ),
)
"""By the platform's day; the row with category ``*`` counts each order once, the others once in each category."""

daily_available = Table(
    "daily_available",
    merchant_metadata,
    Column("day", Date, nullable=False),
    words("currency"),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    count("orders"),
    minor("payable_minor"),
    PrimaryKeyConstraint("day", "currency", "period_start"),
    info=grants(merchant=CHANGE, analyst=READ),
)
"""What became available, by the platform's day and the merchant's settlement period (its first day, and the next's)."""

counter = Table(
    "counter",
    merchant_metadata,
    words("name", primary_key=True),
    Column("value", BigInteger, nullable=False),
    info=grants(merchant=CHANGE),
)
"""Gapless numbers of orders, statements, payouts, invoices and credit notes (people see them), and of entries (the
ledger's order). Locking a row orders the writers."""
