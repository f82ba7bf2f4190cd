"""Tables of ``platform`` about reconciliation: what banks and providers say that they did."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
)

from merchantry.tables.columns import count, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

bank_statement = Table(
    "bank_statement",
    platform_metadata,
    id_of("id", primary_key=True),
    words("source"),
    words("reference"),
    words("account"),
    words("currency"),
    minor("opening_minor", nullable=True),
    minor("closing_minor", nullable=True),
    Column("content_hash", LargeBinary, nullable=False, unique=True),
    count("lines"),
    words("imported_by"),
    instant("imported_at"),
    Index(None, "imported_at", "id"),
    info=grants(platform="SELECT, INSERT"),
)
"""A file of a bank (camt.053) or a provider (CSV), known by its bytes."""

bank_line = Table(
    "bank_line",
    platform_metadata,
    id_of("bank_statement_id"),
    count("position"),
    words("currency"),
    minor("amount_minor"),
    Column("booked_on", Date, nullable=False),
    Column("value_on", Date, nullable=True),
    words("end_to_end_id", nullable=True),
    words("provider_reference", nullable=True),
    words("text"),
    Column("is_return", Boolean, nullable=False),
    words("status"),
    words("matched_by", nullable=True),
    id_of("merchant_id", nullable=True),
    id_of("instruction_key", nullable=True),
    id_of("case_id", nullable=True),
    PrimaryKeyConstraint("bank_statement_id", "position"),
    ForeignKeyConstraint(["bank_statement_id"], ["platform.bank_statement.id"]),
    CheckConstraint("status IN ('unmatched', 'matched', 'returned', 'dismissed')", name="status_is_known"),
    Index(None, "instruction_key"),
    Index(None, "status", "booked_on"),
    info=grants(platform="SELECT, INSERT, UPDATE (status, matched_by, merchant_id, instruction_key, case_id)"),
)
"""One line of it, credit positive; kept whether it is matched or not."""
