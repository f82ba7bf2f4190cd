"""Machines have tokens of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

GRANT = """
GRANT SELECT, INSERT, UPDATE (secret_hash, previous_hash, previous_until, rotated_at, revoked_at, last_used_at)
ON platform.machine_token TO merchantry_platform;
"""


def upgrade() -> None:
    op.create_table(
        "machine_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "octet_length(secret_hash) = 32 AND octet_length(previous_hash) = 32",
            name=op.f("machine_token_hashes_are_sha256"),
        ),
        sa.CheckConstraint(
            "(previous_hash IS NULL) = (previous_until IS NULL)", name=op.f("machine_token_previous_secret_ends")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["platform.merchant.id"], name=op.f("machine_token_merchant_id_fkey")),
        sa.ForeignKeyConstraint(["created_by"], ["platform.account.id"], name=op.f("machine_token_created_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("machine_token_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("machine_token_merchant_id_created_at_id_idx"),
        "machine_token",
        ["merchant_id", "created_at", "id"],
        schema="platform",
    )
    op.execute(GRANT)
