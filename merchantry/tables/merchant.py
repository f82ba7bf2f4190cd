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

from merchantry.tables.columns import count, document, flag, id_of, instant, minor, words
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
    words("external_ref", nullable=True),
    document("translations", server_default="{}"),
    CheckConstraint("status IN ('draft', 'published', 'archived')", name="status_is_known"),
    Index(None, "created_at", "id"),
    Index("product_external_ref", "external_ref", unique=True, postgresql_where="external_ref IS NOT NULL"),
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
    words("external_ref", nullable=True),
    ForeignKeyConstraint(["product_id"], [product.c.id]),
    CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="reserved_is_on_hand"),
    Index(None, "product_id"),
    Index("variant_external_ref", "external_ref", unique=True, postgresql_where="external_ref IS NOT NULL"),
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
    minor("discount_merchant_minor", server_default="0"),
    minor("discount_platform_minor", server_default="0"),
    minor("added_tax_minor", server_default="0"),
    minor("refunded_minor", server_default="0"),
    words("collected_by", server_default="platform"),
    words("shipping_option"),
    words("legal_name"),
    words("seller_of_record", server_default="agent"),
    words("sold_by", nullable=True),
    document("ship_to", nullable=True),
    Column("contact", LargeBinary),
    instant("placed_at"),
    instant("captured_at", nullable=True),
    instant("last_shipped_at", nullable=True),
    instant("last_delivered_at", nullable=True),
    instant("completed_at", nullable=True),
    instant("cancelled_at", nullable=True),
    count("hold_days", nullable=True),
    instant("hold_ends_at", nullable=True),
    instant("hold_stopped_at", nullable=True),
    count("open_disputes", server_default="0"),
    instant("available_at", nullable=True),
    minor("commission_minor", nullable=True),
    words("review_status", nullable=True),
    Column("capture_seq", BigInteger),
    count("events"),
    words("external_ref", nullable=True),
    count("ship_days", nullable=True),
    instant("ship_by", nullable=True),
    instant("overdue_at", nullable=True),
    CheckConstraint("goods_minor >= 0 AND shipping_minor >= 0", name="amounts_are_not_negative"),
    CheckConstraint(
        "discount_merchant_minor >= 0 AND discount_platform_minor >= 0 AND added_tax_minor >= 0"
        " AND discount_merchant_minor + discount_platform_minor <= goods_minor",
        name="discounts_are_within_goods",
    ),
    CheckConstraint(
        "commission_minor BETWEEN 0 AND goods_minor + shipping_minor + added_tax_minor", name="commission_is_a_share"
    ),
    CheckConstraint(
        "refunded_minor BETWEEN 0 AND goods_minor + shipping_minor + added_tax_minor"
        " - discount_merchant_minor - discount_platform_minor",
        name="refunded_is_within_paid",
    ),
    CheckConstraint("open_disputes >= 0", name="disputes_are_counted"),
    CheckConstraint("collected_by IN ('platform', 'merchant')", name="collector_is_known"),
    CheckConstraint(
        "(seller_of_record = 'agent' AND sold_by IS NULL)"
        " OR (seller_of_record = 'principal' AND sold_by IS NOT NULL AND collected_by = 'platform')",
        name="seller_is_known",
    ),
    CheckConstraint("review_status IN ('held', 'cleared', 'refused')", name="review_status_is_known"),
    CheckConstraint("(captured_at IS NULL) = (capture_seq IS NULL)", name="captured_is_booked"),
    CheckConstraint(
        "status IN ('awaiting_payment', 'to_ship', 'partially_shipped', 'shipped', 'delivered', 'completed',"
        " 'cancelled', 'refunded')",
        name="status_is_known",
    ),
    Index(None, "placed_at", "id"),
    Index("orders_captured_at_id_idx", "captured_at", "id", postgresql_where="captured_at IS NOT NULL"),
    Index("orders_external_ref", "external_ref", unique=True, postgresql_where="external_ref IS NOT NULL"),
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
    minor("discount_merchant_minor", server_default="0"),
    minor("discount_platform_minor", server_default="0"),
    minor("tax_minor", server_default="0"),
    count("tax_rate_bps", server_default="0"),
    words("tax_jurisdiction", nullable=True),
    flag("tax_inclusive", server_default="true"),
    flag("tax_covers_shipping", server_default="false"),
    words("tax_remitted_by", server_default="merchant"),
    count("shipped"),
    count("delivered"),
    count("cancelled", server_default="0"),
    count("refunded", server_default="0"),
    minor("refunded_goods_minor", server_default="0"),
    minor("refunded_shipping_minor", server_default="0"),
    count("hold_days", nullable=True),
    count("return_days", nullable=True),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    CheckConstraint("quantity > 0 AND goods_minor = unit_price_minor * quantity", name="goods_add_up"),
    CheckConstraint(
        "0 <= delivered AND delivered <= shipped AND cancelled >= 0 AND shipped + cancelled <= quantity"
        " AND cancelled <= refunded AND refunded <= quantity",
        name="quantities_add_up",
    ),
    CheckConstraint("refunded_goods_minor >= 0 AND refunded_shipping_minor >= 0", name="refunded_is_not_negative"),
    CheckConstraint("tax_remitted_by IN ('merchant', 'platform')", name="remitter_is_known"),
    Index(None, "order_id"),
    info=grants(
        merchant="SELECT, INSERT, UPDATE (shipped, delivered, cancelled, refunded, refunded_goods_minor,"
        " refunded_shipping_minor)",
        analyst=READ,
    ),
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
    minor("sales_tax_minor", server_default="0"),
    minor("commission_tax_minor", server_default="0"),
    minor("payment_fee_minor", server_default="0"),
    minor("platform_fee_minor", server_default="0"),
    minor("shares_minor", server_default="0"),
    minor("subsidy_minor", server_default="0"),
    document("shares", server_default="[]"),
    document("explanation", nullable=True),
    ForeignKeyConstraint(["order_line_id"], [order_line.c.id]),
    CheckConstraint("commission_minor BETWEEN 0 AND base_minor", name="commission_is_within_base"),
    CheckConstraint("bound IN ('none', 'floor', 'cap', 'base', 'money')", name="bound_is_known"),
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
    words("status", nullable=True),
    Column("expected_on", Date),
    document("updates", server_default="[]"),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    CheckConstraint("cardinality(line_ids) > 0 AND cardinality(line_ids) = cardinality(quantities)", name="has_lines"),
    CheckConstraint("jsonb_array_length(updates) <= 50", name="updates_are_bounded"),
    Index(None, "order_id"),
    info=grants(merchant="SELECT, INSERT, UPDATE (delivered_at, status, expected_on, updates)", analyst=READ),
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
    words("kind", server_default="cancellation"),
    words("currency"),
    minor("amount_minor"),
    minor("commission_minor"),
    minor("merchant_minor", server_default="0"),
    Column("line_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("quantities", ARRAY(Integer), nullable=False, server_default="{}"),
    Column("goods_minor", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("shipping_minor", ARRAY(BigInteger), nullable=False, server_default="{}"),
    document("parties", server_default="{}"),
    id_of("return_id", nullable=True),
    flag("restocked", server_default="false"),
    words("reason"),
    words("requested_by", server_default="system"),
    words("status"),
    words("failure", nullable=True),
    count("attempt", server_default="1"),
    Column("entry_seq", BigInteger, nullable=False),
    instant("occurred_at"),
    instant("sent_at", nullable=True),
    ForeignKeyConstraint(["order_id"], [orders.c.id]),
    CheckConstraint("amount_minor > 0 AND commission_minor >= 0", name="amounts_add_up"),
    CheckConstraint("status IN ('pending', 'sent', 'failed', 'unknown', 'offline')", name="status_is_known"),
    CheckConstraint(
        "cardinality(line_ids) = cardinality(quantities) AND cardinality(line_ids) = cardinality(goods_minor)"
        " AND cardinality(line_ids) = cardinality(shipping_minor)",
        name="has_parallel_lines",
    ),
    Index(None, "order_id"),
    Index(None, "occurred_at", "id"),
    info=grants(merchant="SELECT, INSERT, UPDATE (status, sent_at, failure, restocked, attempt)", analyst=READ),
)
"""Money owed back to a buyer. Lines, quantities and amounts stand side by side; ``parties`` is what each gives back."""

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
    Column("balance_after", ARRAY(BigInteger)),
    Column("balance_salt", LargeBinary),
    CheckConstraint("platform.is_balanced(account, currency, amount)", name="is_balanced"),
    CheckConstraint("octet_length(salt) = 32", name="salt_is_32_bytes"),
    CheckConstraint(
        "cardinality(balance_after) = cardinality(amount) AND octet_length(balance_salt) = 32"
        " OR balance_after IS NULL AND balance_salt IS NULL",
        name="balance_after_each_posting",
    ),
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
    minor("discount_minor", server_default="0"),
    minor("tax_minor", server_default="0"),
    minor("commission_tax_minor", server_default="0"),
    minor("payment_fee_minor", server_default="0"),
    minor("net_minor", server_default="0"),
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

volume = Table(
    "volume",
    merchant_metadata,
    words("plan"),
    words("rule"),
    words("currency"),
    instant("window_starts_at"),
    words("seller_of_record", server_default="agent"),
    minor("counted_minor"),
    minor("reached_minor"),
    minor("open_base_minor"),
    minor("open_part_minor"),
    minor("trued_up_minor", server_default="0"),
    minor("trued_up_tax_minor", server_default="0"),
    Column("trued_up_seq", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("plan", "rule", "currency", "window_starts_at", "seller_of_record"),
    info=grants(merchant=CHANGE),
)
"""What has been sold under a rule with tiers, in a window; its row orders the captures that count."""

counter = Table(
    "counter",
    merchant_metadata,
    words("name", primary_key=True),
    Column("value", BigInteger, nullable=False),
    info=grants(merchant=CHANGE),
)
"""Gapless numbers of orders, statements, payouts, invoices and credit notes (people see them), and of entries (the
ledger's order). Locking a row orders the writers."""
