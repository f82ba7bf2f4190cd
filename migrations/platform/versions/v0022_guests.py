"""Buyers without an account have tokens of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

GRANT = """
GRANT SELECT, INSERT, UPDATE (contact, checkout_id, expires_at, claimed_at), DELETE
ON platform.guest TO merchantry_platform;
"""


def upgrade() -> None:
    op.create_table(
        "guest",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=True),
        sa.Column("checkout_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("guest_hash_is_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("guest_pkey")),
        schema="platform",
    )
    op.create_index(
        "guest_unused", "guest", ["expires_at"], schema="platform", postgresql_where=sa.text("checkout_id IS NULL")
    )
    op.execute(GRANT)
