"""Heads of the public log say, signed, when they were made and which head came before."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("log_checkpoint", sa.Column("record", sa.LargeBinary(), nullable=True), schema="platform")
