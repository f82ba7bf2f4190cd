"""Tables of ``platform`` about review cases: what was stopped for people, and what they made of it."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table

from merchantry.tables.columns import count, document, id_of, instant, minor, words
from tenancy.tables import grants, platform_metadata

review_case = Table(
    "review_case",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("kind"),
    words("subject_kind"),
    words("subject_id"),
    words("title"),
    document("evidence"),
    words("currency", nullable=True),
    minor("amount_minor", nullable=True),
    words("status"),
    count("approvals_needed"),
    words("opened_by"),
    instant("opened_at"),
    words("owner", nullable=True),
    instant("due_at", nullable=True),
    words("decision", nullable=True),
    words("reason", nullable=True),
    instant("decided_at", nullable=True),
    Column("events", BigInteger, nullable=False),
    minor("granted_minor", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("status IN ('open', 'approved', 'rejected', 'withdrawn', 'settled')", name="status_is_known"),
    CheckConstraint("(currency IS NULL) = (amount_minor IS NULL)", name="amount_has_a_currency"),
    CheckConstraint("granted_minor BETWEEN 1 AND amount_minor", name="granted_is_within_amount"),
    CheckConstraint("(status = 'open') = (decided_at IS NULL)", name="decided_has_a_moment"),
    Index(None, "status", "opened_at", "id"),
    Index(None, "merchant_id", "opened_at", "id"),
    Index(
        "review_case_one_open",
        "merchant_id",
        "kind",
        "subject_kind",
        "subject_id",
        unique=True,
        postgresql_where="status = 'open'",
    ),
    info=grants(platform="SELECT, INSERT, UPDATE", merchant="SELECT, INSERT, UPDATE (events)"),
)
"""Something that waits for people. ``merchant_id`` is NOBODY's where it concerns no merchant.

``events`` numbers the events; whoever counts it up holds the case until the transaction ends, merchants too."""

case_event = Table(
    "case_event",
    platform_metadata,
    id_of("merchant_id"),
    id_of("case_id"),
    count("seq"),
    words("kind"),
    words("actor"),
    words("text"),
    document("details"),
    instant("occurred_at"),
    PrimaryKeyConstraint("merchant_id", "case_id", "seq"),
    ForeignKeyConstraint(["merchant_id", "case_id"], ["platform.review_case.merchant_id", "platform.review_case.id"]),
    info=grants(platform="SELECT, INSERT", merchant="SELECT, INSERT"),
)
"""Comments, evidence, owners and votes of a case, in their order; append-only."""

approval_chain = Table(
    "approval_chain",
    platform_metadata,
    words("kind"),
    count("version"),
    document("steps"),
    words("proposed_by"),
    instant("proposed_at"),
    words("approved_by", nullable=True),
    instant("approved_at", nullable=True),
    PrimaryKeyConstraint("kind", "version"),
    CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approved_has_a_moment"),
    info=grants(
        platform="SELECT, INSERT, UPDATE (approved_by, approved_at)",
        merchant="SELECT (kind, version, steps, approved_at)",
    ),
)
"""How many people a kind of case needs: the latest approved version, or the usual chain where there is none."""
