"""Lines keep the days of hold and return that their categories said; volumes know what true-ups came to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for name in ("hold_days", "return_days"):
        op.add_column("order_line", sa.Column(name, sa.Integer(), nullable=True), schema="__merchant__")
    for name in ("trued_up_minor", "trued_up_tax_minor", "trued_up_seq"):
        column = sa.Column(name, sa.BigInteger(), server_default=sa.text("'0'"), nullable=False)
        op.add_column("volume", column, schema="__merchant__")
