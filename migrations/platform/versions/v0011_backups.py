"""Merchants are backed up, restored, and quarantined while a restore lacks something."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.drop_constraint("merchant_status_is_known", "merchant", schema="platform", type_="check")
    op.create_check_constraint(
        op.f("merchant_status_is_known"),
        "merchant",
        "status IN ('active', 'suspended', 'closing', 'closed', 'restoring', 'quarantined')",
        schema="platform",
    )
    _backups()
    _restores()
    _gaps()
    for table, rights in (
        ("merchant_backup", "SELECT, INSERT, DELETE"),
        ("merchant_restore", "SELECT, INSERT, UPDATE (status, file, taken_at, ended_at)"),
        ("restore_gap", "SELECT, INSERT, UPDATE (status, case_id, reason, ended_at)"),
    ):
        op.execute(f"GRANT {rights} ON platform.{table} TO merchantry_platform;")


def _backups() -> None:
    op.create_table(
        "merchant_backup",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_as", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("is_encrypted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("merchant_backup_sha256_is_32_bytes")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("merchant_backup_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("merchant_backup_merchant_id_taken_at_idx"),
        "merchant_backup",
        ["merchant_id", "taken_at"],
        schema="platform",
    )


def _restores() -> None:
    op.create_table(
        "merchant_restore",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_before", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('loading', 'undone', 'quarantined', 'replaying', 'done')",
            name=op.f("merchant_restore_status_is_known"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("merchant_restore_pkey")),
        schema="platform",
    )
    op.create_index(
        "merchant_restore_one_open",
        "merchant_restore",
        ["merchant_id"],
        unique=True,
        schema="platform",
        postgresql_where=sa.text("status IN ('loading', 'quarantined', 'replaying')"),
    )


def _gaps() -> None:
    op.create_table(
        "restore_gap",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("restore_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("entry_kind", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('entry', 'order', 'statement', 'product')", name=op.f("restore_gap_kind_is_known")
        ),
        sa.CheckConstraint("status IN ('open', 'replayed', 'written_off')", name=op.f("restore_gap_status_is_known")),
        sa.CheckConstraint("(kind = 'entry') = (seq IS NOT NULL)", name=op.f("restore_gap_entries_have_a_seq")),
        sa.CheckConstraint(
            "(currency IS NULL) = (amount_minor IS NULL)", name=op.f("restore_gap_amount_has_a_currency")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "restore_id", "position", name=op.f("restore_gap_pkey")),
        schema="platform",
    )
    op.create_index(
        "restore_gap_written_off",
        "restore_gap",
        ["merchant_id", "kind"],
        schema="platform",
        postgresql_where=sa.text("status = 'written_off'"),
    )
