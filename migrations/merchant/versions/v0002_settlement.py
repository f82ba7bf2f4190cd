"""Statements, payee accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

AFTER = """
GRANT SELECT, INSERT, UPDATE (sealed, status, verified_at, verified_by, flagged) ON __merchant__.payee_account TO __merchant__;
GRANT SELECT, INSERT, UPDATE (status, decided_at, reserve_seq) ON __merchant__.statement TO __merchant__;
GRANT SELECT ON __merchant__.statement TO merchantry_analyst;
GRANT SELECT, INSERT ON __merchant__.statement_line TO __merchant__;
INSERT INTO __merchant__.counter (name, value) VALUES ('statement', 0), ('payout', 0), ('invoice', 0), ('credit_note', 0);
"""


def upgrade() -> None:
    op.create_table(
        "payee_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("usable_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_by", sa.Text(), nullable=True),
        sa.Column("flagged", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('bank', 'wallet')", name=op.f("payee_account_kind_is_known")),
        sa.CheckConstraint(
            "status IN ('cooling', 'verified', 'flagged', 'retired')", name=op.f("payee_account_status_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("payee_account_pkey")),
        schema="__merchant__",
    )
    op.create_index(
        "payee_account_one_current",
        "payee_account",
        ["currency"],
        unique=True,
        schema="__merchant__",
        postgresql_where="status NOT IN ('retired')",
    )
    op.create_table(
        "statement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.Column("kinds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("reserve_seq", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accept_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('issued', 'accepted', 'objected')", name=op.f("statement_status_is_known")),
        sa.CheckConstraint("octet_length(content_hash) = 32", name=op.f("statement_content_hash_is_sha256")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("statement_period_is_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("statement_pkey")),
        sa.UniqueConstraint("currency", "ends_at", name=op.f("statement_currency_ends_at_key")),
        sa.UniqueConstraint("number", name=op.f("statement_number_key")),
        schema="__merchant__",
    )
    op.create_table(
        "statement_line",
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement_id"], ["__merchant__.statement.id"], name=op.f("statement_line_statement_id_fkey")
        ),
        sa.PrimaryKeyConstraint("entry_seq", "currency", name=op.f("statement_line_pkey")),
        schema="__merchant__",
    )
    op.create_index(
        op.f("statement_line_statement_id_available_at_entry_seq_idx"),
        "statement_line",
        ["statement_id", "available_at", "entry_seq"],
        unique=False,
        schema="__merchant__",
    )
    op.create_index(
        "ledger_entry_available_at",
        "ledger_entry",
        ["available_at"],
        schema="__merchant__",
        postgresql_where="available_at IS NOT NULL",
    )
    op.execute(AFTER)
