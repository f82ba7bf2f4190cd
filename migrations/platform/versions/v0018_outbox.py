"""The outbox: events, their numbers, and how far workers have read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

AFTER = """
INSERT INTO platform.outbox_head (id, seq, pruned_to) VALUES (1, 0, 0);
GRANT SELECT, INSERT, UPDATE (seq), DELETE ON platform.outbox TO merchantry_platform;
GRANT SELECT, INSERT (merchant_id, id, kind, version, order_id, facts, actor, occurred_at, booked_at)
    ON platform.outbox TO merchantry_merchant;
GRANT SELECT, UPDATE ON platform.outbox_head TO merchantry_platform;
GRANT SELECT ON platform.outbox_head TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.outbox_consumer TO merchantry_platform;
ALTER TABLE platform.outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.outbox TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.outbox TO merchantry_platform
    USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    _outbox()
    op.create_table(
        "outbox_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("pruned_to", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("outbox_head_is_one")),
        sa.CheckConstraint("pruned_to BETWEEN 0 AND seq", name=op.f("outbox_head_pruned_is_within")),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_head_pkey")),
        schema="platform",
    )
    op.create_table(
        "outbox_consumer",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "name", name=op.f("outbox_consumer_pkey")),
        schema="platform",
    )
    op.execute(AFTER)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("outbox_pkey")),
        schema="platform",
    )
    for name, columns, where in (
        ("outbox_waiting", ["position"], "seq IS NULL"),
        ("outbox_numbered", ["seq"], "seq IS NOT NULL"),
        ("outbox_of_merchant", ["merchant_id", "seq"], "seq IS NOT NULL"),
        ("outbox_of_order", ["merchant_id", "order_id", "seq"], "order_id IS NOT NULL"),
    ):
        op.create_index(name, "outbox", columns, schema="platform", postgresql_where=sa.text(where))
