"""The index of buyers' orders is also read by the moment, across buyers and merchants."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index(
        op.f("buyer_order_placed_at_order_id_idx"), "buyer_order", ["placed_at", "order_id"], schema="platform"
    )
