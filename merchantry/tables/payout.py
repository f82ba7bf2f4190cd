"""Tables of ``platform`` about payouts: what is to be paid, each attempt at it, and the keys to payees' accounts."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
)

from merchantry.tables.columns import count, document, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

STATUSES = "'planned', 'sending', 'sent', 'paid', 'failed', 'unknown', 'returned', 'cancelled'"

payout = Table(
    "payout",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("number"),
    id_of("statement_id"),
    words("currency"),
    minor("amount_minor"),
    minor("paid_minor"),
    minor("returned_minor"),
    id_of("payee_account_id"),
    words("provider"),
    words("status"),
    minor("release_above_minor", nullable=True),
    words("planned_by"),
    instant("planned_at"),
    words("released_by", nullable=True),
    instant("released_at", nullable=True),
    instant("ended_at", nullable=True),
    words("failure", nullable=True),
    Column("entry_seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint(f"status IN ({STATUSES})", name="status_is_known"),
    CheckConstraint("amount_minor > 0", name="amount_is_positive"),
    CheckConstraint(
        "0 <= returned_minor AND returned_minor <= paid_minor AND paid_minor <= amount_minor",
        name="paid_is_within_amount",
    ),
    Index(
        "payout_one_per_statement",
        "merchant_id",
        "statement_id",
        unique=True,
        postgresql_where="status <> 'cancelled'",
    ),
    Index(None, "merchant_id", "planned_at", "id"),
    Index(None, "status", "planned_at", "id"),
    info=grants(platform="SELECT, UPDATE", merchant="SELECT, INSERT, UPDATE"),
)
"""Money on its way to a merchant. Above ``release_above_minor`` (None: within the limit) a person must release it."""

payout_instruction = Table(
    "payout_instruction",
    platform_metadata,
    id_of("merchant_id"),
    id_of("key"),
    id_of("payout_id"),
    count("attempt"),
    count("position"),
    words("reference"),
    minor("amount_minor"),
    words("status"),
    id_of("batch_id", nullable=True),
    words("provider_reference", nullable=True),
    words("reason", nullable=True),
    instant("created_at"),
    instant("asked_at", nullable=True),
    instant("answered_at", nullable=True),
    Column("entry_seq", BigInteger, nullable=True),
    document("evidence", nullable=True),
    PrimaryKeyConstraint("merchant_id", "key"),
    ForeignKeyConstraint(["merchant_id", "payout_id"], ["platform.payout.merchant_id", "platform.payout.id"]),
    CheckConstraint("amount_minor > 0", name="amount_is_positive"),
    CheckConstraint(
        "status IN ('created', 'asked', 'accepted', 'paid', 'rejected', 'unknown', 'returned')", name="status_is_known"
    ),
    Index(None, "merchant_id", "payout_id", "attempt", "position", unique=True),
    Index(None, "reference"),
    Index(None, "provider_reference"),
    info=grants(platform="SELECT, UPDATE", merchant="SELECT, INSERT, UPDATE"),
)
"""One transfer asked of a provider, under a key of its own for ever."""

payout_batch = Table(
    "payout_batch",
    platform_metadata,
    id_of("id", primary_key=True),
    words("provider"),
    words("currency"),
    Column("execute_on", Date, nullable=False),
    instant("created_at"),
    count("instructions"),
    minor("total_minor"),
    instant("sent_at", nullable=True),
    info=grants(platform="SELECT, INSERT, UPDATE (sent_at)"),
)
"""Instructions that go out together, such as one file for the bank."""

merchant_key = Table(
    "merchant_key",
    platform_metadata,
    id_of("merchant_id"),
    count("version"),
    words("master_id"),
    Column("wrapped", LargeBinary, nullable=False),
    instant("created_at"),
    PrimaryKeyConstraint("merchant_id", "version"),
    info=grants(platform="SELECT, INSERT, UPDATE (master_id, wrapped)", merchant="SELECT, INSERT"),
)
"""The key that a merchant's payee accounts and contacts are encrypted with, itself encrypted by one outside the
database; the platform's own where ``merchant_id`` is NOBODY."""
