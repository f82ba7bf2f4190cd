"""Settlement, payouts, cases, reconciliation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

AFTER = """
GRANT SELECT, INSERT ON platform.bank_statement TO merchantry_platform;
GRANT SELECT ON platform.commission_invoice TO merchantry_platform;
GRANT SELECT, INSERT ON platform.commission_invoice TO merchantry_merchant;
GRANT SELECT, UPDATE (master_id, wrapped) ON platform.merchant_key TO merchantry_platform;
GRANT SELECT, INSERT ON platform.merchant_key TO merchantry_merchant;
GRANT SELECT, UPDATE ON platform.payout TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.payout TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE (sent_at) ON platform.payout_batch TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.review_case TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (events) ON platform.review_case TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE ON platform.settlement_run TO merchantry_platform;
GRANT SELECT, INSERT ON platform.settlement_schedule TO merchantry_platform;
GRANT SELECT ON platform.settlement_schedule TO merchantry_merchant;
GRANT SELECT ON platform.settlement_schedule TO merchantry_analyst;
GRANT SELECT, INSERT, UPDATE ON platform.settlement_terms TO merchantry_platform;
GRANT SELECT ON platform.settlement_terms TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE (status, matched_by, merchant_id, instruction_key, case_id) ON platform.bank_line TO merchantry_platform;
GRANT SELECT, INSERT ON platform.case_event TO merchantry_platform;
GRANT SELECT, INSERT ON platform.case_event TO merchantry_merchant;
GRANT SELECT, UPDATE ON platform.payout_instruction TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE ON platform.payout_instruction TO merchantry_merchant;
ALTER TABLE platform.commission_invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.commission_invoice TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.commission_invoice TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.merchant_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.merchant_key TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.merchant_key TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.payout ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.payout TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.payout TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.review_case ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.review_case TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.review_case TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.settlement_schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.settlement_schedule TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.settlement_schedule TO merchantry_platform, merchantry_analyst
    USING (true) WITH CHECK (true);
ALTER TABLE platform.settlement_terms ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.settlement_terms TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.settlement_terms TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.case_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.case_event TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.case_event TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.payout_instruction ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.payout_instruction TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.payout_instruction TO merchantry_platform
    USING (true) WITH CHECK (true);
INSERT INTO platform.settlement_schedule
    (merchant_id, effective_at, time_zone, cycle, anchor_day, every_days, anchored_on, days_of_month, closing, decided_by, booked_at)
SELECT merchant_id, '1970-01-01 00:00:00+00', time_zone, settlement_cycle, 1, 1, '1970-01-01', '{}', '00:00', 'system:migration', now()
FROM platform.merchant_profile;
INSERT INTO platform.settlement_terms (merchant_id, minimum_minor, reserve_bps, reserve_days, objection_days)
SELECT merchant_id, '{}', 0, 0, 14 FROM platform.merchant_profile;
"""


def upgrade() -> None:
    op.add_column("mall", sa.Column("release_above_minor", postgresql.JSONB(), nullable=True), schema="platform")
    op.drop_constraint("merchant_profile_cycle_is_known", "merchant_profile", schema="platform")
    op.create_check_constraint(
        op.f("merchant_profile_cycle_is_known"),
        "merchant_profile",
        "settlement_cycle IN ('daily', 'weekly', 'monthly', 'every_n_days', 'days_of_month')",
        schema="platform",
    )
    op.create_table(
        "bank_statement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=True),
        sa.Column("closing_minor", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("bank_statement_pkey")),
        sa.UniqueConstraint("content_hash", name=op.f("bank_statement_content_hash_key")),
        schema="platform",
    )
    op.create_index(
        op.f("bank_statement_imported_at_id_idx"),
        "bank_statement",
        ["imported_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "commission_invoice",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("statement_number", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("commission_invoice_kind_is_known")),
        sa.CheckConstraint(
            "net_minor >= 0 AND tax_minor >= 0", name=op.f("commission_invoice_amounts_are_not_negative")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("commission_invoice_pkey")),
        sa.UniqueConstraint(
            "merchant_id", "kind", "number", name=op.f("commission_invoice_merchant_id_kind_number_key")
        ),
        sa.UniqueConstraint(
            "merchant_id", "kind", "statement_id", name=op.f("commission_invoice_merchant_id_kind_statement_id_key")
        ),
        schema="platform",
    )
    op.create_table(
        "merchant_key",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("master_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "version", name=op.f("merchant_key_pkey")),
        schema="platform",
    )
    op.create_table(
        "payout",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column("payee_account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("release_above_minor", sa.BigInteger(), nullable=True),
        sa.Column("planned_by", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status IN ('planned', 'sending', 'sent', 'paid', 'failed', 'unknown', 'returned', 'cancelled')",
            name=op.f("payout_status_is_known"),
        ),
        sa.CheckConstraint(
            "0 <= returned_minor AND returned_minor <= paid_minor AND paid_minor <= amount_minor",
            name=op.f("payout_paid_is_within_amount"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("payout_amount_is_positive")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("payout_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("payout_merchant_id_planned_at_id_idx"),
        "payout",
        ["merchant_id", "planned_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        "payout_one_per_statement",
        "payout",
        ["merchant_id", "statement_id"],
        unique=True,
        schema="platform",
        postgresql_where="status <> 'cancelled'",
    )
    op.create_index(
        op.f("payout_status_planned_at_id_idx"),
        "payout",
        ["status", "planned_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "payout_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("execute_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("instructions", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("payout_batch_pkey")),
        schema="platform",
    )
    op.create_table(
        "review_case",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("approvals_needed", sa.Integer(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(status = 'open') = (decided_at IS NULL)", name=op.f("review_case_decided_has_a_moment")),
        sa.CheckConstraint(
            "status IN ('open', 'approved', 'rejected', 'withdrawn')", name=op.f("review_case_status_is_known")
        ),
        sa.CheckConstraint(
            "(currency IS NULL) = (amount_minor IS NULL)", name=op.f("review_case_amount_has_a_currency")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("review_case_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("review_case_merchant_id_opened_at_id_idx"),
        "review_case",
        ["merchant_id", "opened_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        "review_case_one_open",
        "review_case",
        ["merchant_id", "kind", "subject_kind", "subject_id"],
        unique=True,
        schema="platform",
        postgresql_where="status = 'open'",
    )
    op.create_index(
        op.f("review_case_status_opened_at_id_idx"),
        "review_case",
        ["status", "opened_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "settlement_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merchants", sa.Integer(), nullable=False),
        sa.Column("merchants_done", sa.Integer(), nullable=False),
        sa.Column("holds_released", sa.Integer(), nullable=False),
        sa.Column("statements", sa.Integer(), nullable=False),
        sa.Column("payouts", sa.Integer(), nullable=False),
        sa.Column("failures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("status IN ('running', 'done', 'failed')", name=op.f("settlement_run_status_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("settlement_run_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("settlement_run_started_at_id_idx"),
        "settlement_run",
        ["started_at", "id"],
        unique=False,
        schema="platform",
    )
    op.create_table(
        "settlement_schedule",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Text(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("anchored_on", sa.Date(), nullable=False),
        sa.Column("days_of_month", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("closing", sa.Time(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "cycle IN ('daily', 'weekly', 'monthly', 'every_n_days', 'days_of_month')",
            name=op.f("settlement_schedule_cycle_is_known"),
        ),
        sa.CheckConstraint(
            "anchor_day BETWEEN 1 AND 31 AND every_days BETWEEN 1 AND 366",
            name=op.f("settlement_schedule_days_are_in_range"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "effective_at", name=op.f("settlement_schedule_pkey")),
        schema="platform",
    )
    op.create_table(
        "settlement_terms",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("minimum_minor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reserve_bps", sa.Integer(), nullable=False),
        sa.Column("reserve_days", sa.Integer(), nullable=False),
        sa.Column("objection_days", sa.Integer(), nullable=False),
        sa.CheckConstraint("reserve_bps BETWEEN 0 AND 10000", name=op.f("settlement_terms_reserve_is_a_share")),
        sa.CheckConstraint(
            "reserve_days >= 0 AND objection_days >= 0", name=op.f("settlement_terms_days_are_not_negative")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("settlement_terms_pkey")),
        schema="platform",
    )
    op.create_table(
        "bank_line",
        sa.Column("bank_statement_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("value_on", sa.Date(), nullable=True),
        sa.Column("end_to_end_id", sa.Text(), nullable=True),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_return", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("matched_by", sa.Text(), nullable=True),
        sa.Column("merchant_id", sa.Uuid(), nullable=True),
        sa.Column("instruction_key", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status IN ('unmatched', 'matched', 'returned', 'dismissed')", name=op.f("bank_line_status_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["bank_statement_id"], ["platform.bank_statement.id"], name=op.f("bank_line_bank_statement_id_fkey")
        ),
        sa.PrimaryKeyConstraint("bank_statement_id", "position", name=op.f("bank_line_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("bank_line_instruction_key_idx"), "bank_line", ["instruction_key"], unique=False, schema="platform"
    )
    op.create_index(
        op.f("bank_line_status_booked_on_idx"), "bank_line", ["status", "booked_on"], unique=False, schema="platform"
    )
    op.create_table(
        "case_event",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "case_id"],
            ["platform.review_case.merchant_id", "platform.review_case.id"],
            name=op.f("case_event_merchant_id_case_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "case_id", "seq", name=op.f("case_event_pkey")),
        schema="platform",
    )
    op.create_table(
        "payout_instruction",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("payout_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_seq", sa.BigInteger(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "status IN ('created', 'asked', 'accepted', 'paid', 'rejected', 'unknown', 'returned')",
            name=op.f("payout_instruction_status_is_known"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("payout_instruction_amount_is_positive")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payout_id"],
            ["platform.payout.merchant_id", "platform.payout.id"],
            name=op.f("payout_instruction_merchant_id_payout_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "key", name=op.f("payout_instruction_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("payout_instruction_merchant_id_payout_id_attempt_position_idx"),
        "payout_instruction",
        ["merchant_id", "payout_id", "attempt", "position"],
        unique=True,
        schema="platform",
    )
    op.create_index(
        op.f("payout_instruction_provider_reference_idx"),
        "payout_instruction",
        ["provider_reference"],
        unique=False,
        schema="platform",
    )
    op.create_index(
        op.f("payout_instruction_reference_idx"), "payout_instruction", ["reference"], unique=False, schema="platform"
    )
    op.execute(AFTER)
