"""Merchants may take cash on delivery."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "merchant_profile",
        sa.Column("accepts_cash", sa.Boolean(), server_default="false", nullable=False),
        schema="platform",
    )
