"""Tables of review rules: their versions, in ``platform``, and what they made of each act, in a merchant's schema."""

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, Table

from merchantry.tables.columns import count, document, id_of, instant, words
from tenancy.tables import grants, merchant_metadata, platform_metadata

review_rule_set = Table(
    "review_rule_set",
    platform_metadata,
    count("version", primary_key=True, autoincrement=False),
    document("document"),
    instant("effective_from"),
    words("status"),
    words("proposed_by"),
    words("decided_by", nullable=True),
    instant("created_at"),
    instant("decided_at", nullable=True),
    CheckConstraint("status IN ('proposed', 'approved', 'rejected')", name="status_is_known"),
    CheckConstraint("(status = 'proposed') = (decided_at IS NULL)", name="decided_has_a_moment"),
    Index("review_rule_set_in_force", "effective_from", "version", postgresql_where="status = 'approved'"),
    info=grants(platform="SELECT, INSERT, UPDATE (status, decided_by, decided_at)"),
)
"""Versions of the rules. An approved one is in force from ``effective_from`` until the next approved one is. Merchants
can't read them: they would say how far one may go."""

review = Table(
    "review",
    merchant_metadata,
    id_of("trail_id"),
    words("subject"),
    id_of("subject_id"),
    words("rule"),
    count("version"),
    words("title"),
    words("outcome"),
    words("reason"),
    document("figures"),
    instant("decided_at"),
    PrimaryKeyConstraint("trail_id", "subject", "subject_id", "rule"),
    CheckConstraint("outcome IN ('pass', 'flag', 'hold')", name="outcome_is_known"),
    info=grants(merchant="SELECT, INSERT"),
)
"""What each rule made of each act, passes as well; append-only, and without anything that tells who anybody is.

``trail_id`` is whose story a verdict belongs to: the order's, also where ``subject_id`` is a refund of it; else it is
``subject_id``."""
