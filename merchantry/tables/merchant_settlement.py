"""Tables of a merchant's schema about its money's way out: statements, what they claim, and where it is paid to."""

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
    UniqueConstraint,
)

from merchantry.tables.columns import count, document, id_of, instant, minor, words
from tenancy.tables import grants, merchant_metadata

READ = "SELECT"
APPEND = "SELECT, INSERT"

statement = Table(
    "statement",
    merchant_metadata,
    id_of("id", primary_key=True),
    words("number", unique=True),
    words("legal_name"),
    words("currency"),
    instant("starts_at"),
    instant("ends_at"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    words("time_zone"),
    minor("opening_minor"),
    minor("closing_minor"),
    document("kinds"),
    count("entries"),
    Column("last_seq", BigInteger, nullable=False),
    Column("reserve_seq", BigInteger),
    Column("content_hash", LargeBinary, nullable=False),
    words("status"),
    instant("closed_at"),
    instant("accept_by"),
    instant("decided_at", nullable=True),
    words("language", server_default="en"),
    UniqueConstraint("currency", "ends_at"),
    CheckConstraint("starts_at < ends_at", name="period_is_not_empty"),
    CheckConstraint("octet_length(content_hash) = 32", name="content_hash_is_sha256"),
    CheckConstraint("status IN ('issued', 'accepted', 'objected')", name="status_is_known"),
    info=grants(merchant="SELECT, INSERT, UPDATE (status, decided_at, reserve_seq)", analyst=READ),
)
"""Closes the available balance of one currency over one period. ``kinds`` sums its lines by kind of entry;
``last_seq`` is the ledger's last entry at the time, ``reserve_seq`` the risk reserve taken from it."""

statement_line = Table(
    "statement_line",
    merchant_metadata,
    Column("entry_seq", BigInteger, nullable=False),
    words("currency"),
    id_of("statement_id"),
    words("kind"),
    minor("amount_minor"),
    instant("available_at"),
    PrimaryKeyConstraint("entry_seq", "currency"),
    ForeignKeyConstraint(["statement_id"], [statement.c.id]),
    Index(None, "statement_id", "available_at", "entry_seq"),
    info=grants(merchant=APPEND),
)
"""An entry's change of the available balance, claimed by one statement for ever."""

payee_account = Table(
    "payee_account",
    merchant_metadata,
    id_of("id", primary_key=True),
    words("kind"),
    words("currency"),
    words("shown"),
    Column("sealed", LargeBinary, nullable=False),
    words("status"),
    instant("usable_from"),
    instant("created_at"),
    words("created_by"),
    instant("verified_at", nullable=True),
    words("verified_by", nullable=True),
    words("flagged", nullable=True),
    CheckConstraint("kind IN ('bank', 'wallet')", name="kind_is_known"),
    CheckConstraint("status IN ('cooling', 'verified', 'flagged', 'retired')", name="status_is_known"),
    Index("payee_account_one_current", "currency", unique=True, postgresql_where="status NOT IN ('retired')"),
    info=grants(
        merchant="SELECT, INSERT, UPDATE (sealed, status, verified_at, verified_by, flagged)",
    ),
)
"""Where a merchant is paid. ``sealed`` is the encrypted account, ``shown`` what of it may be seen. A change is a new
row; payouts keep pointing to the one that they were planned for."""
