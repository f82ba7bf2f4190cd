"""Where an order is shipped to is sealed: the column in clear is emptied by `merchantry contacts seal`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.alter_column("orders", "ship_to", existing_type=postgresql.JSONB(), nullable=True, schema="__merchant__")
    op.add_column("orders", sa.Column("contact", sa.LargeBinary(), nullable=True), schema="__merchant__")
