"""Verifications come round, and what they found is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

RIGHTS = """
GRANT SELECT, INSERT, UPDATE (holder, status, progressed_at, finished_at, after_id, log_size, log_root, heads, merchants,
    merchants_done, merchants_skipped, entries, broken, case_id) ON platform.verification TO merchantry_platform;
GRANT SELECT, INSERT ON platform.verification_finding TO merchantry_platform;
"""


def upgrade() -> None:
    op.create_table(
        "verification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("log_size", sa.BigInteger(), nullable=True),
        sa.Column("log_root", sa.LargeBinary(), nullable=True),
        sa.Column("heads", sa.BigInteger(), nullable=True),
        sa.Column("merchants", sa.Integer(), nullable=False),
        sa.Column("merchants_done", sa.Integer(), nullable=False),
        sa.Column("merchants_skipped", sa.Integer(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("broken", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("status IN ('running', 'clean', 'broken')", name=op.f("verification_status_is_known")),
        sa.CheckConstraint(
            "(status = 'running') = (finished_at IS NULL)", name=op.f("verification_finished_when_over")
        ),
        sa.CheckConstraint("status <> 'clean' OR broken = 0", name=op.f("verification_clean_breaks_nothing")),
        sa.PrimaryKeyConstraint("id", name=op.f("verification_pkey")),
        schema="platform",
    )
    op.create_index(op.f("verification_started_at_id_idx"), "verification", ["started_at", "id"], schema="platform")
    op.create_index(
        "verification_one_running",
        "verification",
        ["status"],
        unique=True,
        schema="platform",
        postgresql_where="status = 'running'",
    )
    op.create_table(
        "verification_finding",
        sa.Column("verification_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("merchant", sa.Text(), nullable=False),
        sa.Column("law", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("verification_id", "position", name=op.f("verification_finding_pkey")),
        schema="platform",
    )
    op.execute(RIGHTS)
