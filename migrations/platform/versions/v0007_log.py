"""The public log: a queue for leaves of every kind, leaves, tiles, heads, cosignatures, keys.

What was queued before has no balances bound into its leaf: the commitment alone is it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BEFORE = """
CREATE TABLE platform.log_queue_1 AS SELECT * FROM platform.log_queue;
DROP TABLE platform.log_queue;
"""
AFTER = """
INSERT INTO platform.log_queue (merchant_id, kind, seq, leaf, booked_at)
SELECT merchant_id, 'entry', seq, commitment, booked_at FROM platform.log_queue_1 ORDER BY booked_at, merchant_id, seq;
DROP TABLE platform.log_queue_1;
GRANT SELECT, INSERT, DELETE ON platform.log_queue TO merchantry_platform;
GRANT SELECT, INSERT ON platform.log_queue TO merchantry_merchant;
GRANT SELECT, INSERT ON platform.log_leaf TO merchantry_platform;
GRANT SELECT ON platform.log_leaf TO merchantry_merchant;
GRANT SELECT (leaf_index, leaf) ON platform.log_leaf TO merchantry_public;
GRANT SELECT, INSERT ON platform.log_tile TO merchantry_platform;
GRANT SELECT ON platform.log_tile TO merchantry_public;
GRANT SELECT, INSERT ON platform.log_checkpoint TO merchantry_platform;
GRANT SELECT ON platform.log_checkpoint TO merchantry_merchant;
GRANT SELECT ON platform.log_checkpoint TO merchantry_public;
GRANT SELECT, INSERT ON platform.log_cosignature TO merchantry_platform;
GRANT SELECT ON platform.log_cosignature TO merchantry_public;
GRANT SELECT, INSERT ON platform.log_confirmed TO merchantry_platform;
GRANT SELECT ON platform.log_confirmed TO merchantry_merchant;
GRANT SELECT ON platform.log_confirmed TO merchantry_public;
GRANT SELECT, INSERT ON platform.log_key TO merchantry_platform;
GRANT SELECT ON platform.log_key TO merchantry_public;
ALTER TABLE platform.log_queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.log_queue TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.log_queue TO merchantry_platform
    USING (true) WITH CHECK (true);
ALTER TABLE platform.log_leaf ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.log_leaf TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.log_leaf TO merchantry_platform, merchantry_public
    USING (true) WITH CHECK (true);
"""


def upgrade() -> None:
    op.execute(BEFORE)
    op.create_table(
        "log_queue",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'entry') = (seq IS NOT NULL) AND (kind = 'audit_event') = (event_id IS NOT NULL)",
            name=op.f("log_queue_subject_is_of_its_kind"),
        ),
        sa.CheckConstraint("octet_length(leaf) = 32", name=op.f("log_queue_leaf_is_sha256")),
        sa.PrimaryKeyConstraint("merchant_id", "position", name=op.f("log_queue_pkey")),
        schema="platform",
    )
    op.create_index(op.f("log_queue_position_idx"), "log_queue", ["position"], unique=False, schema="platform")
    op.create_table(
        "log_leaf",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'entry') = (seq IS NOT NULL) AND (kind = 'audit_event') = (event_id IS NOT NULL)",
            name=op.f("log_leaf_subject_is_of_its_kind"),
        ),
        sa.CheckConstraint("octet_length(leaf) = 32", name=op.f("log_leaf_leaf_is_sha256")),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("log_leaf_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("log_leaf_merchant_id_event_id_idx"),
        "log_leaf",
        ["merchant_id", "event_id"],
        unique=True,
        schema="platform",
        postgresql_where="event_id IS NOT NULL",
    )
    op.create_index(
        op.f("log_leaf_merchant_id_seq_idx"),
        "log_leaf",
        ["merchant_id", "seq"],
        unique=True,
        schema="platform",
        postgresql_where="seq IS NOT NULL",
    )
    op.create_table(
        "log_tile",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("tile_index", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(hashes) = 8192", name=op.f("log_tile_tile_is_full")),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("log_tile_root_is_sha256")),
        sa.PrimaryKeyConstraint("level", "tile_index", name=op.f("log_tile_pkey")),
        schema="platform",
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("log_checkpoint_root_is_sha256")),
        sa.CheckConstraint("size >= 0", name=op.f("log_checkpoint_size_is_not_negative")),
        sa.PrimaryKeyConstraint("size", name=op.f("log_checkpoint_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("log_checkpoint_signed_at_idx"), "log_checkpoint", ["signed_at"], unique=False, schema="platform"
    )
    op.create_table(
        "log_cosignature",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("cosigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("log_cosignature_pkey")),
        schema="platform",
    )
    op.create_table(
        "log_confirmed",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("log_confirmed_pkey")),
        schema="platform",
    )
    op.create_table(
        "log_key",
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("verifier", name=op.f("log_key_pkey")),
        sa.UniqueConstraint("position", name=op.f("log_key_position_key")),
        schema="platform",
    )

    op.execute(AFTER)
