"""Parcels know what their carriers tell of them, orders by when they are to be shipped."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

INSTANT = sa.DateTime(timezone=True)
JSON = postgresql.JSONB(none_as_null=True)


def upgrade() -> None:
    for column in (
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("updates", JSON, server_default="[]", nullable=False),
    ):
        op.add_column("shipment", column, schema="__merchant__")
    bounded = "jsonb_array_length(updates) <= 50"
    op.create_check_constraint(op.f("shipment_updates_are_bounded"), "shipment", bounded, schema="__merchant__")
    op.execute('GRANT UPDATE (status, expected_on, updates) ON __merchant__.shipment TO "__merchant__"')
    for column in (
        sa.Column("ship_days", sa.Integer(), nullable=True),
        sa.Column("ship_by", INSTANT, nullable=True),
        sa.Column("overdue_at", INSTANT, nullable=True),
    ):
        op.add_column("orders", column, schema="__merchant__")
