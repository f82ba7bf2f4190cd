"""Lines keep the days of hold and return that their categories said."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("hold_days", "return_days"):
        op.add_column("order_line", sa.Column(name, sa.Integer(), nullable=True), schema="__merchant__")
