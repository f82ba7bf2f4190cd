"""Tables of ``platform`` about reports that are saved, and the files that are produced of them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, LargeBinary, PrimaryKeyConstraint, Table

from merchantry.tables.columns import document, id_of, instant, words
from tenancy.tables import grants, platform_metadata

saved_report = Table(
    "saved_report",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("name"),
    document("choice"),
    words("format"),
    words("schedule"),
    Column("date_from", Date, nullable=True),
    Column("date_to", Date, nullable=True),
    words("created_by"),
    instant("created_at"),
    instant("next_due_at", nullable=True),
    words("failure", nullable=True),
    instant("failed_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("format IN ('csv', 'xlsx')", name="format_is_known"),
    CheckConstraint("schedule IN ('none', 'daily', 'weekly', 'monthly')", name="schedule_is_known"),
    CheckConstraint(
        "(schedule = 'none') = (date_from IS NOT NULL) AND (date_from IS NULL) = (date_to IS NULL)",
        name="span_is_given_or_scheduled",
    ),
    CheckConstraint("(schedule = 'none') = (next_due_at IS NULL)", name="scheduled_has_a_moment"),
    CheckConstraint("(failure IS NULL) = (failed_at IS NULL)", name="failure_has_a_moment"),
    Index(None, "merchant_id", "created_at", "id"),
    info=grants(platform="SELECT, INSERT, UPDATE, DELETE", merchant="SELECT, INSERT, UPDATE, DELETE"),
)
"""``merchant_id`` is whose it is: NOBODY's are the platform's. ``failure`` is why it could not be produced last."""

report_file = Table(
    "report_file",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    id_of("report_id"),
    words("name"),
    words("format"),
    Column("date_from", Date, nullable=False),
    Column("date_to", Date, nullable=False),
    instant("as_of"),
    Column("row_count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    words("stored_as"),
    instant("produced_at"),
    instant("expires_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("format IN ('csv', 'xlsx')", name="format_is_known"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256_is_32_bytes"),
    CheckConstraint("row_count >= 0 AND size_bytes >= 0", name="sizes_are_not_negative"),
    Index(None, "merchant_id", "report_id", "produced_at"),
    info=grants(
        platform="SELECT, INSERT, UPDATE (expires_at), DELETE", merchant="SELECT, INSERT, UPDATE (expires_at), DELETE"
    ),
)
"""A file in the worker's directory, named ``stored_as`` there; kept until ``expires_at``."""
