"""Where an order is shipped to is sealed: the column in clear is emptied by `merchantry contacts seal`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.alter_column("orders", "ship_to", existing_type=postgresql.JSONB(), nullable=True, schema="__merchant__")
    op.add_column("orders", sa.Column("contact", sa.LargeBinary(), nullable=True), schema="__merchant__")
