"""Whose parcel a tracking number is, what carriers told, and in how many days a category is shipped."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

INSTANT = sa.DateTime(timezone=True)
AFTER = """
GRANT SELECT ON platform.shipment_tracking TO merchantry_platform;
GRANT SELECT, INSERT ON platform.shipment_tracking TO merchantry_merchant;
GRANT SELECT, INSERT, DELETE ON platform.carrier_message TO merchantry_platform;
ALTER TABLE platform.shipment_tracking ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.shipment_tracking TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.shipment_tracking TO merchantry_platform
    USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    op.add_column("category", sa.Column("ship_days", sa.Integer(), nullable=True), schema="platform")
    within = "ship_days BETWEEN 0 AND 365"
    op.create_check_constraint(op.f("category_ship_days_are_within_a_year"), "category", within, schema="platform")
    op.create_table(
        "shipment_tracking",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("tracking_number", sa.Text(), nullable=False),
        sa.Column("shipped_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "shipment_id", name=op.f("shipment_tracking_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("shipment_tracking_carrier_tracking_number_shipped_at_idx"),
        "shipment_tracking",
        ["carrier", "tracking_number", "shipped_at"],
        schema="platform",
    )
    op.create_table(
        "carrier_message",
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("carrier", "message_id", name=op.f("carrier_message_pkey")),
        schema="platform",
    )
    op.create_index(op.f("carrier_message_received_at_idx"), "carrier_message", ["received_at"], schema="platform")
    op.execute(AFTER)
