"""Categories stand in an order among their siblings; shops describe themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column(
        "category", sa.Column("position", sa.Integer(), server_default="0", nullable=False), schema="platform"
    )
    within = "position BETWEEN 0 AND 1000000"
    op.create_check_constraint(op.f("category_position_is_within_bounds"), "category", within, schema="platform")
    description = sa.Column("description", sa.Text(), server_default="", nullable=False)
    op.add_column("merchant_profile", description, schema="platform")
