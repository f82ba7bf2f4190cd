"""Tables of ``platform`` about settlement: schedules, runs, and the platform's invoices for its commission."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Time,
    UniqueConstraint,
)

from merchantry.tables.columns import count, document, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

settlement_schedule = Table(
    "settlement_schedule",
    platform_metadata,
    id_of("merchant_id"),
    instant("effective_at"),
    words("time_zone"),
    words("cycle"),
    count("anchor_day"),
    count("every_days"),
    Column("anchored_on", Date, nullable=False),
    Column("days_of_month", ARRAY(Integer), nullable=False),
    Column("closing", Time, nullable=False),
    words("decided_by"),
    instant("booked_at"),
    PrimaryKeyConstraint("merchant_id", "effective_at"),
    CheckConstraint("cycle IN ('daily', 'weekly', 'monthly', 'every_n_days', 'days_of_month')", name="cycle_is_known"),
    CheckConstraint("anchor_day BETWEEN 1 AND 31 AND every_days BETWEEN 1 AND 366", name="days_are_in_range"),
    info=grants(platform="SELECT, INSERT", merchant="SELECT", analyst="SELECT"),
)
"""When a merchant's settlement periods end, from each ``effective_at`` on. A change is a new row."""

settlement_terms = Table(
    "settlement_terms",
    platform_metadata,
    id_of("merchant_id", primary_key=True),
    document("minimum_minor"),
    count("reserve_bps"),
    count("reserve_days"),
    count("objection_days"),
    CheckConstraint("reserve_bps BETWEEN 0 AND 10000", name="reserve_is_a_share"),
    CheckConstraint("reserve_days >= 0 AND objection_days >= 0", name="days_are_not_negative"),
    info=grants(platform="SELECT, INSERT, UPDATE", merchant="SELECT"),
)
"""What a merchant's payouts are subject to: the smallest amount by currency, the risk reserve, days to object."""

settlement_run = Table(
    "settlement_run",
    platform_metadata,
    id_of("id", primary_key=True),
    words("actor"),
    id_of("merchant_id", nullable=True),
    instant("until"),
    words("status"),
    instant("started_at"),
    instant("progressed_at"),
    instant("finished_at", nullable=True),
    count("merchants"),
    count("merchants_done"),
    count("holds_released"),
    count("statements"),
    count("payouts"),
    document("failures"),
    CheckConstraint("status IN ('running', 'done', 'failed')", name="status_is_known"),
    Index(None, "started_at", "id"),
    info=grants(platform="SELECT, INSERT, UPDATE"),
)
"""One go at settling with all merchants, or with one. ``failures`` say which merchant could not be settled, and why."""

commission_invoice = Table(
    "commission_invoice",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("kind"),
    words("number"),
    id_of("statement_id"),
    words("statement_number"),
    words("issuer"),
    words("recipient"),
    words("currency"),
    minor("net_minor"),
    minor("tax_minor"),
    document("lines"),
    Column("issued_on", Date, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    words("language", server_default="en"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "kind", "number"),
    UniqueConstraint("merchant_id", "kind", "statement_id"),
    CheckConstraint("kind IN ('invoice', 'credit_note', 'self_billed', 'self_billed_credit')", name="kind_is_known"),
    CheckConstraint("net_minor >= 0 AND tax_minor >= 0", name="amounts_are_not_negative"),
    info=grants(platform="SELECT", merchant="SELECT, INSERT"),
)
"""What the platform charges a merchant for a period or gives back, and what it bought from it or sent back: one series
of numbers per merchant and kind."""
