"""The audit trail says more and is searched; buyers' contact data is sealed, and can be erased."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

SALT = "(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
AFTER = """
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.contact_key TO merchantry_platform;
GRANT SELECT, INSERT, UPDATE (sealed) ON platform.contact_key TO merchantry_merchant;
GRANT SELECT, INSERT, UPDATE (done_at) ON platform.erasure TO merchantry_platform;
GRANT DELETE ON platform.checkout_quote TO merchantry_platform;
GRANT INSERT ON platform.merchant_key TO merchantry_platform;
GRANT UPDATE (subject) ON platform.account TO merchantry_platform;
ALTER TABLE platform.contact_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.contact_key TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.contact_key TO merchantry_platform
    USING (true) WITH CHECK (true);
"""
FORGET_EMAILS = """
UPDATE platform.account SET email = NULL
WHERE email IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM platform.membership m WHERE m.account_id = account.id)
  AND NOT EXISTS (SELECT 1 FROM platform.platform_role r WHERE r.account_id = account.id);
"""


def upgrade() -> None:
    _audit()
    _contacts()
    op.execute(AFTER)
    op.execute(FORGET_EMAILS)


def _audit() -> None:
    for name in ("on_behalf_of", "client", "request_id"):
        op.add_column("audit_event", sa.Column(name, sa.Text(), nullable=True), schema="platform")
    op.add_column(
        "audit_event", sa.Column("outcome", sa.Text(), server_default="DONE", nullable=False), schema="platform"
    )
    op.add_column(
        "audit_event",
        sa.Column("salt", sa.LargeBinary(), server_default=sa.text(SALT), nullable=False),
        schema="platform",
    )
    op.create_check_constraint(
        op.f("audit_event_outcome_is_known"), "audit_event", "outcome IN ('DONE', 'REFUSED')", schema="platform"
    )
    op.create_check_constraint(
        op.f("audit_event_salt_is_32_bytes"), "audit_event", "octet_length(salt) = 32", schema="platform"
    )
    for name in ("actor", "act", "subject"):
        op.create_index(
            op.f(f"audit_event_{name}_booked_at_id_idx"), "audit_event", [name, "booked_at", "id"], schema="platform"
        )
    op.create_index(
        "audit_event_refused",
        "audit_event",
        ["booked_at", "id"],
        schema="platform",
        postgresql_where=sa.text("outcome = 'REFUSED'"),
    )


def _contacts() -> None:
    op.create_table(
        "contact_key",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "subject_id", name=op.f("contact_key_pkey")),
        schema="platform",
    )
    op.create_table(
        "erasure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("erasure_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("erasure_buyer_id_requested_at_id_idx"), "erasure", ["buyer_id", "requested_at", "id"], schema="platform"
    )
    op.alter_column("checkout", "ship_to", existing_type=postgresql.JSONB(), nullable=True, schema="platform")
    op.add_column("checkout", sa.Column("contact", sa.LargeBinary(), nullable=True), schema="platform")
    op.add_column("checkout_quote", sa.Column("contact", sa.LargeBinary(), nullable=True), schema="platform")
    op.create_index(op.f("checkout_quote_buyer_id_idx"), "checkout_quote", ["buyer_id"], schema="platform")
    op.add_column(
        "mall", sa.Column("keep_contacts_days", sa.Integer(), server_default="0", nullable=False), schema="platform"
    )
    op.create_check_constraint(
        op.f("mall_keeps_contacts_for_days"), "mall", "keep_contacts_days BETWEEN 0 AND 36500", schema="platform"
    )
