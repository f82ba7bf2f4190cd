"""Saved and scheduled reports, and the files that are produced of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

AFTER = """
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.saved_report TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.saved_report TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON platform.report_file TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON platform.report_file TO merchantry_merchant;
ALTER TABLE platform.saved_report ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.saved_report TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.saved_report TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.report_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.report_file TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.report_file TO merchantry_platform
    USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    op.create_table(
        "saved_report",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("choice", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("date_from", sa.Date(), nullable=True),
        sa.Column("date_to", sa.Date(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("format IN ('csv', 'xlsx')", name=op.f("saved_report_format_is_known")),
        sa.CheckConstraint(
            "schedule IN ('none', 'daily', 'weekly', 'monthly')", name=op.f("saved_report_schedule_is_known")
        ),
        sa.CheckConstraint(
            "(schedule = 'none') = (date_from IS NOT NULL) AND (date_from IS NULL) = (date_to IS NULL)",
            name=op.f("saved_report_span_is_given_or_scheduled"),
        ),
        sa.CheckConstraint(
            "(schedule = 'none') = (next_due_at IS NULL)", name=op.f("saved_report_scheduled_has_a_moment")
        ),
        sa.CheckConstraint("(failure IS NULL) = (failed_at IS NULL)", name=op.f("saved_report_failure_has_a_moment")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("saved_report_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("saved_report_merchant_id_created_at_id_idx"),
        "saved_report",
        ["merchant_id", "created_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "report_file",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("date_from", sa.Date(), nullable=False),
        sa.Column("date_to", sa.Date(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("stored_as", sa.Text(), nullable=False),
        sa.Column("produced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("format IN ('csv', 'xlsx')", name=op.f("report_file_format_is_known")),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("report_file_sha256_is_32_bytes")),
        sa.CheckConstraint("row_count >= 0 AND size_bytes >= 0", name=op.f("report_file_sizes_are_not_negative")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("report_file_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("report_file_merchant_id_report_id_produced_at_idx"),
        "report_file",
        ["merchant_id", "report_id", "produced_at"],
        unique=False,
        schema="platform",
    )
    op.execute(AFTER)
