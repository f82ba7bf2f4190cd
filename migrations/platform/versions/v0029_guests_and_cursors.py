"""Guests are written to of their orders; a cursor lasts until something of its merchant's own is forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

AFTER = """
GRANT SELECT, INSERT, UPDATE ON platform.outbox_pruned TO merchantry_platform;
GRANT SELECT ON platform.outbox_pruned TO merchantry_merchant;
ALTER TABLE platform.outbox_pruned ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.outbox_pruned TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.outbox_pruned TO merchantry_platform
    USING (true) WITH CHECK (true);
INSERT INTO platform.outbox_pruned (merchant_id, seq)
    SELECT merchant.id, head.pruned_to FROM platform.merchant, platform.outbox_head head WHERE head.pruned_to > 0;
"""


def upgrade() -> None:
    op.drop_constraint(op.f("mail_account_id_fkey"), "mail", schema="platform")
    op.drop_constraint(op.f("mail_kind_is_known"), "mail", schema="platform")
    known = "kind IN ('news', 'digest', 'confirmation', 'guest')"
    op.create_check_constraint(op.f("mail_kind_is_known"), "mail", known, schema="platform")
    op.create_table(
        "outbox_pruned",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("outbox_pruned_pkey")),
        schema="platform",
    )
    op.execute(AFTER)
