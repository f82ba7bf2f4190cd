"""Reports read orders by the moment of capture."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index(
        "orders_captured_at_id_idx",
        "orders",
        ["captured_at", "id"],
        unique=False,
        schema="__merchant__",
        postgresql_where=sa.text("captured_at IS NOT NULL"),
    )
