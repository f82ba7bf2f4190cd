"""Notifications are people's own: told once, read or not, in the way that they want."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

AFTER = """
GRANT INSERT (words) ON platform.outbox TO merchantry_merchant;
REVOKE SELECT, INSERT ON platform.notification FROM merchantry_merchant;
GRANT SELECT (merchant_id, id, kind, subject, created_at),
    INSERT (merchant_id, id, kind, subject, created_at) ON platform.notification TO merchantry_merchant;
GRANT UPDATE (read_at), DELETE ON platform.notification TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (channel, set_at), DELETE ON platform.notification_preference TO merchantry_platform;
INSERT INTO platform.outbox_consumer (name, merchant_id, seq, updated_at)
    SELECT 'notifications', '00000000-0000-0000-0000-000000000000', seq, now() FROM platform.outbox_head;
"""
"""What happened before is not told again: the reader of the outbox begins at its end."""


def upgrade() -> None:
    op.add_column("outbox", sa.Column("words", postgresql.JSONB(), nullable=True), schema="platform")
    for name, type_ in (
        ("account_id", sa.Uuid()),
        ("audience", sa.Text()),
        ("event_id", sa.Uuid()),
        ("seq", sa.BigInteger()),
        ("read_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("notification", sa.Column(name, type_, nullable=True), schema="platform")
    op.create_foreign_key(
        op.f("notification_account_id_fkey"),
        "notification",
        "account",
        ["account_id"],
        ["id"],
        source_schema="platform",
        referent_schema="platform",
    )
    op.create_check_constraint(
        op.f("notification_audience_is_known"),
        "notification",
        "audience IN ('staff', 'buyer', 'platform')",
        schema="platform",
    )
    _indexes()
    op.create_table(
        "notification_preference",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "channel IN ('in_app', 'none')",
            name=op.f("notification_preference_channel_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["platform.account.id"], name=op.f("notification_preference_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", "merchant_id", "kinds", name=op.f("notification_preference_pkey")),
        schema="platform",
    )
    op.execute(AFTER)


def _indexes() -> None:
    op.create_index(
        op.f("notification_account_id_seq_idx"), "notification", ["account_id", "seq"], unique=True, schema="platform"
    )
    op.create_index(
        "notification_unread",
        "notification",
        ["account_id"],
        schema="platform",
        postgresql_where=sa.text("read_at IS NULL AND account_id IS NOT NULL"),
    )
    op.create_index(op.f("notification_seq_idx"), "notification", ["seq"], schema="platform")
