"""Tables of schema ``platform``. Where a merchant's transaction writes, ``merchant_id`` leads the primary key."""

from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from merchantry.tables.columns import count, document, flag, id_of, instant, minor, words
from tenancy.tables import grants, merchant, platform_metadata

NOBODY = UUID(int=0)
"""Stands in ``merchant_id`` where a row belongs to no merchant (a buyer's act, the platform's)."""

READ = "SELECT"
APPEND = "SELECT, INSERT"
CHANGE = "SELECT, INSERT, UPDATE"

RANDOM_SALT = "(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
"""For rows of programs that know no salt yet, and those that were written before there was one."""

mall = Table(
    "mall",
    platform_metadata,
    count("id", primary_key=True, autoincrement=False),
    words("name"),
    words("time_zone"),
    document("release_above_minor", nullable=True),
    count("keep_contacts_days", server_default="0"),
    words("require_logged", server_default="none"),
    CheckConstraint("id = 1", name="is_one"),
    CheckConstraint("require_logged IN ('none', 'signed', 'confirmed')", name="require_logged_is_known"),
    CheckConstraint("keep_contacts_days BETWEEN 0 AND 36500", name="keeps_contacts_for_days"),
    info=grants(platform="SELECT, UPDATE", merchant=READ, public=READ, analyst=READ),
)
"""The one row about the mall itself. Its time zone decides the days of reports, so it is fixed once money moved.
``release_above_minor``: payouts above it, by currency, are released by a person. ``keep_contacts_days``: how long the
law wants the contact data of an order that has ended to be kept. ``require_logged``: how far in the public log entries
must be before statements close over them and payouts of them are sent."""

merchant_profile = Table(
    "merchant_profile",
    platform_metadata,
    id_of("merchant_id", primary_key=True),
    count("number", unique=True),
    words("legal_name"),
    words("display_name"),
    words("category"),
    words("time_zone"),
    words("currency"),
    words("settlement_cycle"),
    words("seller_of_record"),
    words("commission_plan"),
    document("shipping_options"),
    count("complete_days_after_delivery"),
    count("complete_days_after_shipping"),
    flag("accepts_cash", server_default="false"),
    words("document_language", server_default="en"),
    words("description", server_default=""),
    ForeignKeyConstraint(["merchant_id"], [merchant.c.id]),
    CheckConstraint(
        "settlement_cycle IN ('daily', 'weekly', 'monthly', 'every_n_days', 'days_of_month')", name="cycle_is_known"
    ),
    CheckConstraint("seller_of_record IN ('agent', 'principal')", name="seller_of_record_is_known"),
    info=grants(platform=CHANGE, merchant=READ, public=READ, analyst=READ),
)

category = Table(
    "category",
    platform_metadata,
    words("code", primary_key=True),
    words("name"),
    words("parent", nullable=True),
    count("hold_days", nullable=True),
    count("return_days", nullable=True),
    document("translations", server_default="{}"),
    count("ship_days", nullable=True),
    count("position", server_default="0"),
    ForeignKeyConstraint(["parent"], ["platform.category.code"]),
    CheckConstraint("hold_days BETWEEN 0 AND 365 AND return_days BETWEEN 0 AND 365", name="days_are_within_a_year"),
    CheckConstraint("ship_days BETWEEN 0 AND 365", name="ship_days_are_within_a_year"),
    CheckConstraint("position BETWEEN 0 AND 1000000", name="position_is_within_bounds"),
    info=grants(platform=CHANGE, merchant=READ, public=READ, analyst=READ),
)

listing = Table(
    "listing",
    platform_metadata,
    id_of("merchant_id"),
    id_of("product_id"),
    words("title"),
    words("description"),
    words("category"),
    Column("image_urls", ARRAY(Text), nullable=False),
    document("variants"),
    instant("published_at"),
    instant("updated_at"),
    words("title_key", server_default=""),
    Column("document", TSVECTOR, nullable=False, server_default=""),
    document("translations", server_default="{}"),
    PrimaryKeyConstraint("merchant_id", "product_id"),
    Index(None, "published_at", "product_id"),
    Index(None, "category", "published_at", "product_id"),
    Index(None, "title_key", "product_id"),
    Index(None, "document", postgresql_using="gin"),
    info=grants(platform=READ, merchant="SELECT, INSERT, UPDATE, DELETE", public=READ),
)

checkout_quote = Table(
    "checkout_quote",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("buyer_id"),
    document("cart"),
    Column("contact", LargeBinary),
    instant("created_at"),
    instant("expires_at"),
    Index(None, "buyer_id"),
    info=grants(platform="SELECT, INSERT, DELETE"),
)

checkout = Table(
    "checkout",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("buyer_id"),
    words("status"),
    words("currency"),
    minor("goods_minor"),
    minor("shipping_minor"),
    minor("discount_minor", server_default="0"),
    minor("added_tax_minor", server_default="0"),
    document("ship_to", nullable=True),
    Column("contact", LargeBinary),
    instant("placed_at"),
    instant("expires_at"),
    instant("paid_at", nullable=True),
    CheckConstraint("status IN ('awaiting_payment', 'paid', 'cancelled', 'expired')", name="status_is_known"),
    Index(None, "buyer_id", "placed_at", "id"),
    info=grants(platform=CHANGE),
)

buyer_order = Table(
    "buyer_order",
    platform_metadata,
    id_of("merchant_id"),
    id_of("order_id"),
    id_of("buyer_id"),
    id_of("checkout_id"),
    words("number"),
    words("merchant_name"),
    words("status"),
    words("currency"),
    minor("total_minor"),
    instant("placed_at"),
    PrimaryKeyConstraint("merchant_id", "order_id"),
    Index(None, "buyer_id", "placed_at", "order_id"),
    Index(None, "checkout_id"),
    Index(None, "placed_at", "order_id"),
    info=grants(platform=CHANGE, merchant="SELECT (merchant_id, order_id, status), UPDATE (status)"),
)

payment = Table(
    "payment",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("checkout_id"),
    words("status"),
    words("currency"),
    minor("amount_minor"),
    words("provider"),
    words("provider_reference", nullable=True),
    words("action_url", nullable=True),
    words("action_qr", nullable=True),
    instant("action_expires_at", nullable=True),
    words("failure", nullable=True),
    minor("refunded_minor", server_default="0"),
    instant("created_at"),
    instant("captured_at", nullable=True),
    instant("late_at", nullable=True),
    instant("given_back_at", nullable=True),
    count("give_back_attempt", server_default="1"),
    CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded_is_within_amount"),
    CheckConstraint("late_at IS NULL OR status IN ('failed', 'expired')", name="late_has_ended"),
    CheckConstraint("given_back_at IS NULL OR late_at IS NOT NULL", name="given_back_was_late"),
    CheckConstraint(
        "status IN ('processing', 'action_required', 'authorised', 'captured', 'failed', 'expired')",
        name="status_is_known",
    ),
    CheckConstraint("(status = 'captured') = (captured_at IS NOT NULL)", name="captured_has_a_moment"),
    Index(None, "checkout_id"),
    Index("payment_one_open", "checkout_id", unique=True, postgresql_where="status NOT IN ('failed', 'expired')"),
    info=grants(platform=CHANGE),
)

payment_message = Table(
    "payment_message",
    platform_metadata,
    words("provider"),
    words("message_id"),
    id_of("payment_id"),
    instant("received_at"),
    PrimaryKeyConstraint("provider", "message_id"),
    Index(None, "received_at"),
    info=grants(platform="SELECT, INSERT, DELETE"),
)
"""Webhooks of payment providers that were carried out, so that each is carried out once; kept for a while."""

shipment_tracking = Table(
    "shipment_tracking",
    platform_metadata,
    id_of("merchant_id"),
    id_of("shipment_id"),
    id_of("order_id"),
    words("carrier"),
    words("tracking_number"),
    instant("shipped_at"),
    PrimaryKeyConstraint("merchant_id", "shipment_id"),
    Index(None, "carrier", "tracking_number", "shipped_at"),
    info=grants(platform="SELECT", merchant="SELECT, INSERT"),
)
"""Whose parcel a carrier's tracking number is. Both are written as ``domain.parcel`` writes them."""

carrier_message = Table(
    "carrier_message",
    platform_metadata,
    words("carrier"),
    words("message_id"),
    instant("received_at"),
    PrimaryKeyConstraint("carrier", "message_id"),
    Index(None, "received_at"),
    info=grants(platform="SELECT, INSERT, DELETE"),
)
"""Webhooks of carriers that were carried out, so that each is carried out once; kept for a while."""

tender = Table(
    "tender",
    platform_metadata,
    id_of("payment_id"),
    count("position"),
    words("method"),
    minor("amount_minor"),
    minor("refunded_minor", server_default="0"),
    PrimaryKeyConstraint("payment_id", "position"),
    ForeignKeyConstraint(["payment_id"], [payment.c.id]),
    CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded_is_within_amount"),
    info=grants(platform="SELECT, INSERT, UPDATE (refunded_minor)"),
)

commission_plan = Table(
    "commission_plan",
    platform_metadata,
    words("name"),
    count("version"),
    document("document"),
    instant("effective_from"),
    words("status"),
    words("proposed_by"),
    words("approved_by", nullable=True),
    instant("created_at"),
    instant("approved_at", nullable=True),
    PrimaryKeyConstraint("name", "version"),
    CheckConstraint("status IN ('proposed', 'approved', 'rejected')", name="status_is_known"),
    info=grants(platform="SELECT, INSERT, UPDATE (status, approved_by, approved_at)"),
)

platform_entry = Table(
    "platform_entry",
    platform_metadata,
    id_of("merchant_id"),
    Column("seq", BigInteger, nullable=False),
    words("kind"),
    instant("occurred_at"),
    instant("booked_at"),
    Column("account", ARRAY(Text), nullable=False),
    Column("currency", ARRAY(Text), nullable=False),
    Column("amount", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("merchant_id", "seq"),
    CheckConstraint("platform.is_balanced(account, currency, amount)", name="is_balanced"),
    info=grants(platform=READ, merchant="INSERT"),
)
"""The platform's side of a merchant's entry of the same ``seq``."""

audit_event = Table(
    "audit_event",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("actor"),
    words("act"),
    words("subject"),
    document("before", nullable=True),
    document("after", nullable=True),
    instant("occurred_at"),
    instant("booked_at"),
    words("on_behalf_of", nullable=True),
    words("client", nullable=True),
    words("request_id", nullable=True),
    words("outcome", server_default="DONE"),
    Column("salt", LargeBinary, nullable=False, server_default=text(RANDOM_SALT)),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("outcome IN ('DONE', 'REFUSED')", name="outcome_is_known"),
    CheckConstraint("octet_length(salt) = 32", name="salt_is_32_bytes"),
    Index(None, "merchant_id", "booked_at", "id"),
    Index(None, "booked_at", "id"),
    Index(None, "actor", "booked_at", "id"),
    Index(None, "act", "booked_at", "id"),
    Index(None, "subject", "booked_at", "id"),
    Index("audit_event_refused", "booked_at", "id", postgresql_where="outcome = 'REFUSED'"),
    info=grants(platform=APPEND, merchant=APPEND),
)

idempotency = Table(
    "idempotency",
    platform_metadata,
    id_of("merchant_id"),
    words("actor"),
    words("key"),
    words("mutation"),
    Column("input_hash", LargeBinary, nullable=False),
    id_of("result_id"),
    instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "actor", "key"),
    info=grants(platform=APPEND, merchant=APPEND),
)

job = Table(
    "job",
    platform_metadata,
    id_of("merchant_id"),
    words("kind"),
    id_of("subject_id"),
    instant("due_at"),
    instant("leased_until", nullable=True),
    count("attempts"),
    words("last_error", nullable=True),
    PrimaryKeyConstraint("merchant_id", "kind", "subject_id"),
    Index(None, "due_at"),
    info=grants(
        platform="SELECT, INSERT, UPDATE, DELETE",
        merchant="SELECT, INSERT, UPDATE (due_at, leased_until, attempts, last_error), DELETE",
    ),
)

sandbox_charge = Table(
    "sandbox_charge",
    platform_metadata,
    id_of("id", primary_key=True),
    words("status"),
    words("currency"),
    minor("amount_minor"),
    minor("refunded_minor"),
    words("method"),
    instant("created_at"),
    instant("resolves_at", nullable=True),
    CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded_is_within_amount"),
    info=grants(platform=CHANGE),
)
"""The books of the built-in sandbox payment provider, which stands for a company outside."""

sandbox_refund = Table(
    "sandbox_refund",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("charge_id"),
    minor("amount_minor"),
    instant("created_at"),
    ForeignKeyConstraint(["charge_id"], [sandbox_charge.c.id]),
    info=grants(platform=APPEND),
)

imported = Table(
    "imported",
    platform_metadata,
    words("source"),
    words("reference"),
    instant("imported_at"),
    PrimaryKeyConstraint("source", "reference"),
    info=grants(platform=APPEND),
)
"""What an import has brought in already, so that it can be resumed."""
