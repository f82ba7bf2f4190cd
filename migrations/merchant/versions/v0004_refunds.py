"""Refunds are listed by when they occurred."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index(
        op.f("refund_occurred_at_id_idx"), "refund", ["occurred_at", "id"], unique=False, schema="__merchant__"
    )
