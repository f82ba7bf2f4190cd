"""Categories say how long money is held and goods can be returned; people set how many must agree to what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for name in ("hold_days", "return_days"):
        op.add_column("category", sa.Column(name, sa.Integer(), nullable=True), schema="platform")
    op.create_check_constraint(
        op.f("category_days_are_within_a_year"),
        "category",
        "hold_days BETWEEN 0 AND 365 AND return_days BETWEEN 0 AND 365",
        schema="platform",
    )
    _approval_chain()


def _approval_chain() -> None:
    op.create_table(
        "approval_chain",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("steps", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("approval_chain_pkey")),
        sa.CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL)", name=op.f("approval_chain_approved_has_a_moment")
        ),
        schema="platform",
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE (approved_by, approved_at) ON platform.approval_chain TO merchantry_platform;"
    )
    op.execute("GRANT SELECT (kind, version, steps, approved_at) ON platform.approval_chain TO merchantry_merchant;")
