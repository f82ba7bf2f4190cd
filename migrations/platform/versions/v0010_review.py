"""Versions of the review rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "review_rule_set",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('proposed', 'approved', 'rejected')", name=op.f("review_rule_set_status_is_known")
        ),
        sa.CheckConstraint(
            "(status = 'proposed') = (decided_at IS NULL)", name=op.f("review_rule_set_decided_has_a_moment")
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("review_rule_set_pkey")),
        schema="platform",
    )
    op.create_index(
        "review_rule_set_in_force",
        "review_rule_set",
        ["effective_from", "version"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("status = 'approved'"),
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE (status, decided_by, decided_at) ON platform.review_rule_set"
        " TO merchantry_platform;"
    )
