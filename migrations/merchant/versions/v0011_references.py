"""What others' systems call products, variants and orders."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for table in ("product", "variant", "orders"):
        op.add_column(table, sa.Column("external_ref", sa.Text(), nullable=True), schema="__merchant__")
        op.create_index(
            f"{table}_external_ref",
            table,
            ["external_ref"],
            unique=True,
            schema="__merchant__",
            postgresql_where=sa.text("external_ref IS NOT NULL"),
        )
