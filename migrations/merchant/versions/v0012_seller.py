"""Orders say who sells to the buyer; what the platform bought is counted and numbered apart."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

COUNTERS = """
INSERT INTO __merchant__.counter (name, value) VALUES ('self_billed', 0), ('self_billed_credit', 0)
ON CONFLICT DO NOTHING;
"""
KNOWN = (
    "(seller_of_record = 'agent' AND sold_by IS NULL)"
    " OR (seller_of_record = 'principal' AND sold_by IS NOT NULL AND collected_by = 'platform')"
)


def upgrade() -> None:
    for table in ("orders", "volume"):
        column = sa.Column("seller_of_record", sa.Text(), server_default="agent", nullable=False)
        op.add_column(table, column, schema="__merchant__")
    op.add_column("orders", sa.Column("sold_by", sa.Text(), nullable=True), schema="__merchant__")
    op.create_check_constraint(op.f("orders_seller_is_known"), "orders", KNOWN, schema="__merchant__")
    op.drop_constraint(op.f("volume_pkey"), "volume", schema="__merchant__", type_="primary")
    key = ["plan", "rule", "currency", "window_starts_at", "seller_of_record"]
    op.create_primary_key(op.f("volume_pkey"), "volume", key, schema="__merchant__")
    op.execute(COUNTERS)
