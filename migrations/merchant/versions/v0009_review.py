"""Verdicts of review rules, and orders that one of them holds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "review",
        sa.Column("trail_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('pass', 'flag', 'hold')", name=op.f("review_outcome_is_known")),
        sa.PrimaryKeyConstraint("trail_id", "subject", "subject_id", "rule", name=op.f("review_pkey")),
        schema="__merchant__",
    )
    op.execute("GRANT SELECT, INSERT ON __merchant__.review TO __merchant__;")
    op.add_column("orders", sa.Column("review_status", sa.Text(), nullable=True), schema="__merchant__")
    op.create_check_constraint(
        op.f("orders_review_status_is_known"),
        "orders",
        "review_status IN ('held', 'cleared', 'refused')",
        schema="__merchant__",
    )
