"""Tables of ``platform`` about goods and money that come back: returns that buyers ask for, and chargebacks."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
)

from merchantry.tables.columns import count, document, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

return_request = Table(
    "return_request",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    id_of("order_id"),
    words("status"),
    words("reason"),
    words("note"),
    Column("line_ids", ARRAY(Uuid), nullable=False),
    Column("quantities", ARRAY(Integer), nullable=False),
    instant("requested_at"),
    instant("decide_by"),
    instant("decided_at", nullable=True),
    instant("send_by", nullable=True),
    instant("received_at", nullable=True),
    words("answer", nullable=True),
    id_of("refund_id", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint(
        "status IN ('requested', 'approved', 'rejected', 'received', 'refunded', 'expired', 'withdrawn')",
        name="status_is_known",
    ),
    CheckConstraint("cardinality(line_ids) > 0 AND cardinality(line_ids) = cardinality(quantities)", name="has_lines"),
    Index(None, "merchant_id", "order_id"),
    Index(None, "merchant_id", "requested_at", "id"),
    info=grants(platform="SELECT, INSERT, UPDATE", merchant="SELECT, INSERT, UPDATE"),
)
"""A buyer wants to send something back. Who the buyer is stands in the index of the order."""

chargeback = Table(
    "chargeback",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    id_of("payment_id"),
    id_of("order_id"),
    words("provider_reference"),
    count("round"),
    words("status"),
    words("currency"),
    minor("amount_minor"),
    minor("covered_minor", server_default="0"),
    minor("held_minor", server_default="0"),
    minor("fee_minor", server_default="0"),
    words("fee_borne_by", server_default="merchant"),
    words("reason"),
    id_of("refund_id", nullable=True),
    document("evidence", server_default="[]"),
    instant("opened_at"),
    instant("respond_by", nullable=True),
    instant("ended_at", nullable=True),
    Column("hold_seq", BigInteger),
    Column("entry_seq", BigInteger),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "provider_reference", "round"),
    CheckConstraint("status IN ('opened', 'lost', 'won')", name="status_is_known"),
    CheckConstraint("amount_minor > 0 AND covered_minor BETWEEN 0 AND amount_minor", name="amounts_add_up"),
    CheckConstraint("fee_borne_by IN ('merchant', 'platform')", name="bearer_is_known"),
    Index(None, "merchant_id", "opened_at", "id"),
    Index(None, "status", "opened_at", "id"),
    info=grants(platform="SELECT, INSERT, UPDATE", merchant="SELECT, INSERT, UPDATE"),
)
"""The buyer's bank takes a payment back, for one order of it. ``covered_minor`` had been refunded already: one loss per
sale; ``held_minor`` is kept from the merchant while it lasts."""
