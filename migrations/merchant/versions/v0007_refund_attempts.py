"""A refund that definitely failed is tried again under a new key."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "refund",
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        schema="__merchant__",
    )
    op.execute("GRANT UPDATE (attempt) ON __merchant__.refund TO __merchant__;")
