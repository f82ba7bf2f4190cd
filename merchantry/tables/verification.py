"""Tables of ``platform`` about verifications that come round: one row each, and what they found."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, PrimaryKeyConstraint, Table

from merchantry.tables.columns import count, id_of, instant, words
from tenancy.tables import grants, platform_metadata

verification = Table(
    "verification",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("holder"),
    words("status"),
    instant("started_at"),
    instant("progressed_at"),
    instant("finished_at", nullable=True),
    id_of("after_id", nullable=True),
    Column("log_size", BigInteger, nullable=True),
    Column("log_root", LargeBinary, nullable=True),
    Column("heads", BigInteger, nullable=True),
    count("merchants"),
    count("merchants_done"),
    count("merchants_skipped"),
    Column("entries", BigInteger, nullable=False),
    count("broken"),
    id_of("case_id", nullable=True),
    CheckConstraint("status IN ('running', 'clean', 'broken')", name="status_is_known"),
    CheckConstraint("(status = 'running') = (finished_at IS NULL)", name="finished_when_over"),
    CheckConstraint("status <> 'clean' OR broken = 0", name="clean_breaks_nothing"),
    Index(None, "started_at", "id"),
    Index("verification_one_running", "status", unique=True, postgresql_where="status = 'running'"),
    info=grants(
        platform="SELECT, INSERT, UPDATE (holder, status, progressed_at, finished_at, after_id, log_size, log_root,"
        " heads, merchants, merchants_done, merchants_skipped, entries, broken, case_id)"
    ),
)
"""``holder`` is whoever is at it. ``after_id`` is the last merchant that was verified, NOBODY once the log was, null
before. ``broken`` counts all that was found, also what is not kept."""

verification_finding = Table(
    "verification_finding",
    platform_metadata,
    id_of("verification_id"),
    count("position"),
    words("merchant"),
    words("law"),
    words("subject"),
    words("expected"),
    words("found"),
    PrimaryKeyConstraint("verification_id", "position"),
    info=grants(platform="SELECT, INSERT"),
)
"""A law that was broken: whose (a slug, ``log`` or ``platform``), where, what was counted and what is stored."""
