"""Payments wait for their buyers, are told of by webhooks, and go back where they come too late."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    for column in (
        sa.Column("action_qr", sa.Text(), nullable=True),
        sa.Column("action_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("late_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("give_back_attempt", sa.Integer(), server_default="1", nullable=False),
    ):
        op.add_column("payment", column, schema="platform")
    checks = {
        "late_has_ended": "late_at IS NULL OR status IN ('failed', 'expired')",
        "given_back_was_late": "given_back_at IS NULL OR late_at IS NOT NULL",
    }
    for name, check in checks.items():
        op.create_check_constraint(op.f(f"payment_{name}"), "payment", check, schema="platform")
    op.create_table(
        "payment_message",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "message_id", name=op.f("payment_message_pkey")),
        schema="platform",
    )
    op.create_index(op.f("payment_message_received_at_idx"), "payment_message", ["received_at"], schema="platform")
    op.execute("GRANT SELECT, INSERT, DELETE ON platform.payment_message TO merchantry_platform")
