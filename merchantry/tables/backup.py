"""Tables of ``platform`` about backups of merchants, restores, and what a restore lacks."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, PrimaryKeyConstraint, Table

from merchantry.tables.columns import count, document, flag, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

merchant_backup = Table(
    "merchant_backup",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    instant("taken_at"),
    words("stored_as"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    flag("is_encrypted"),
    words("version"),
    Column("last_seq", BigInteger, nullable=False),
    words("made_by"),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256_is_32_bytes"),
    Index(None, "merchant_id", "taken_at"),
    info=grants(platform="SELECT, INSERT, DELETE"),
)
"""A file that was written; ``taken_at`` is the moment of its snapshot, ``stored_as`` where it was written."""

merchant_restore = Table(
    "merchant_restore",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("status"),
    words("status_before"),
    words("file"),
    instant("taken_at"),
    words("begun_by"),
    instant("begun_at"),
    instant("ended_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("status IN ('loading', 'undone', 'quarantined', 'replaying', 'done')", name="status_is_known"),
    Index(
        "merchant_restore_one_open",
        "merchant_id",
        unique=True,
        postgresql_where="status IN ('loading', 'quarantined', 'replaying')",
    ),
    info=grants(platform="SELECT, INSERT, UPDATE (status, file, taken_at, ended_at)"),
)
"""``status_before`` is what the merchant is again at its end."""

restore_gap = Table(
    "restore_gap",
    platform_metadata,
    id_of("merchant_id"),
    id_of("restore_id"),
    count("position"),
    words("kind"),
    words("subject"),
    Column("seq", BigInteger, nullable=True),
    words("entry_kind", nullable=True),
    words("currency", nullable=True),
    minor("amount_minor", nullable=True),
    document("details"),
    words("status"),
    id_of("case_id", nullable=True),
    words("reason", nullable=True),
    instant("found_at"),
    instant("ended_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "restore_id", "position"),
    CheckConstraint("kind IN ('entry', 'order', 'statement', 'product')", name="kind_is_known"),
    CheckConstraint("status IN ('open', 'replayed', 'written_off')", name="status_is_known"),
    CheckConstraint("(kind = 'entry') = (seq IS NOT NULL)", name="entries_have_a_seq"),
    CheckConstraint("(currency IS NULL) = (amount_minor IS NULL)", name="amount_has_a_currency"),
    Index("restore_gap_written_off", "merchant_id", "kind", postgresql_where="status = 'written_off'"),
    info=grants(platform="SELECT, INSERT, UPDATE (status, case_id, reason, ended_at)"),
)
"""Something that the platform knows of and the restored schema does not: an entry by its ``seq``, an order, a statement
or a product by its id. ``details`` is what the platform knows of it."""
