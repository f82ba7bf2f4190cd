"""Categories say how long money is held and goods can be returned."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("hold_days", "return_days"):
        op.add_column("category", sa.Column(name, sa.Integer(), nullable=True), schema="platform")
    op.create_check_constraint(
        op.f("category_days_are_within_a_year"),
        "category",
        "hold_days BETWEEN 0 AND 365 AND return_days BETWEEN 0 AND 365",
        schema="platform",
    )
