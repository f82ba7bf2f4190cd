"""Mail: where people are written to, and what waits to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

CHANNELS = """
ALTER TABLE platform.notification_preference DROP CONSTRAINT notification_preference_channel_is_known;
ALTER TABLE platform.notification_preference ADD CONSTRAINT notification_preference_channel_is_known
    CHECK (channel IN ('in_app', 'none', 'email', 'both', 'digest'));
"""
GRANT = """
GRANT SELECT, INSERT, UPDATE (contact, set_at, confirmed_at, refused_at, refused), DELETE ON platform.mail_address
    TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (events, status, attempts, next_at, leased_until, ended_at), DELETE ON platform.mail
    TO merchantry_platform;
"""
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute(CHANNELS)
    op.create_table(
        "mail_address",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=True),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.Column("refused_at", INSTANT, nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.CheckConstraint("confirmed_at IS NULL OR set_at IS NOT NULL", name=op.f("mail_address_confirmed_is_set")),
        sa.CheckConstraint("refused IS NULL OR refused_at IS NOT NULL", name=op.f("mail_address_refused_has_a_moment")),
        sa.ForeignKeyConstraint(["account_id"], ["platform.account.id"], name=op.f("mail_address_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("mail_address_pkey")),
        schema="platform",
    )
    op.create_table(
        "mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("kind IN ('news', 'digest', 'confirmation')", name=op.f("mail_kind_is_known")),
        sa.CheckConstraint(
            "status IN ('waiting', 'sent', 'failed', 'bad_address', 'dropped')", name=op.f("mail_status_is_known")
        ),
        sa.CheckConstraint("(status = 'waiting') = (next_at IS NOT NULL)", name=op.f("mail_waiting_has_a_moment")),
        sa.CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name=op.f("mail_ended_has_a_moment")),
        sa.ForeignKeyConstraint(["account_id"], ["platform.account.id"], name=op.f("mail_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mail_pkey")),
        schema="platform",
    )
    _index("mail_waiting", ["next_at", "id"], "status = 'waiting'")
    _index("mail_account_id_idx", ["account_id"])
    _index("mail_ended", ["ended_at"], "ended_at IS NOT NULL")
    op.execute(GRANT)


def _index(name: str, columns: list[str], where: str | None = None) -> None:
    op.create_index(name, "mail", columns, schema="platform", postgresql_where=sa.text(where) if where else None)
