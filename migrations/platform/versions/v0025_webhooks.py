"""Webhooks: endpoints, their secrets, deliveries and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

AFTER = """
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.webhook_endpoint, platform.webhook_delivery TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (sealed, expires_at), DELETE ON platform.webhook_secret
    TO merchantry_platform, merchantry_merchant;
GRANT SELECT, INSERT, DELETE ON platform.webhook_attempt TO merchantry_platform;
GRANT SELECT, INSERT, DELETE, UPDATE (url, description, kinds, status, disabled_by, disabled_reason, since_seq,
    failures, failing_since, paused_until) ON platform.webhook_endpoint TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE (status, failures, next_at, ended_at) ON platform.webhook_delivery TO merchantry_merchant;
GRANT SELECT ON platform.webhook_attempt TO merchantry_merchant;
"""
POLICIES = """
ALTER TABLE platform.{table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.{table} TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.{table} TO merchantry_platform
    USING (true) WITH CHECK (true);
"""
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _endpoints()
    _deliveries()
    op.execute(AFTER)
    for table in ("webhook_endpoint", "webhook_secret", "webhook_delivery", "webhook_attempt"):
        op.execute(POLICIES.format(table=table))


def _endpoints() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("kinds", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("disabled_by", sa.Text(), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("since_seq", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", INSTANT, nullable=True),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('enabled', 'disabled')", name=op.f("webhook_endpoint_status_is_known")),
        sa.CheckConstraint(
            "(status = 'disabled') = (disabled_by IS NOT NULL)", name=op.f("webhook_endpoint_disabled_is_explained")
        ),
        sa.CheckConstraint(
            "(failures = 0) = (failing_since IS NULL)", name=op.f("webhook_endpoint_failing_since_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_endpoint_pkey")),
        schema="platform",
    )
    _index("webhook_endpoint_merchant_id_created_at_id_idx", "webhook_endpoint", "merchant_id", "created_at", "id")
    op.create_table(
        "webhook_secret",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        _of_endpoint("webhook_secret"),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_secret_pkey")),
        schema="platform",
    )
    _index("webhook_secret_endpoint_id_idx", "webhook_secret", "endpoint_id")
    _index("webhook_secret_merchant_id_id_idx", "webhook_secret", "merchant_id", "id")


def _deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'delivered', 'failed')", name=op.f("webhook_delivery_status_is_known")
        ),
        sa.CheckConstraint(
            "(status = 'waiting') = (next_at IS NOT NULL)", name=op.f("webhook_delivery_waiting_has_a_moment")
        ),
        sa.CheckConstraint(
            "(status = 'waiting') = (ended_at IS NULL)", name=op.f("webhook_delivery_ended_has_a_moment")
        ),
        _of_endpoint("webhook_delivery"),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_delivery_pkey")),
        schema="platform",
    )
    table = "webhook_delivery"
    _index("webhook_delivery_once", table, "endpoint_id", "event_id", unique=True)
    _index("webhook_delivery_new", table, "endpoint_id", "seq", where="status = 'waiting' AND attempts = 0")
    _index("webhook_delivery_again", table, "endpoint_id", "next_at", where="status = 'waiting' AND attempts > 0")
    _index("webhook_delivery_merchant_id_seq_id_idx", table, "merchant_id", "seq", "id")
    _index("webhook_delivery_created_at_idx", table, "created_at")
    op.create_table(
        "webhook_attempt",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["platform.webhook_delivery.id"],
            name=op.f("webhook_attempt_delivery_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("webhook_attempt_pkey")),
        schema="platform",
    )


def _of_endpoint(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["endpoint_id"],
        ["platform.webhook_endpoint.id"],
        name=op.f(f"{table}_endpoint_id_fkey"),
        ondelete="CASCADE",
    )


def _index(name: str, table: str, *columns: str, unique: bool = False, where: str | None = None) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, list(columns), unique=unique, schema="platform", postgresql_where=condition)
