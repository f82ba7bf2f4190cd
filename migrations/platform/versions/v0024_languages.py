"""People choose their language."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

GRANT = """
GRANT SELECT, INSERT, UPDATE (language), DELETE ON platform.account_setting TO merchantry_platform;
"""


def upgrade() -> None:
    op.create_table(
        "account_setting",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["platform.account.id"], name=op.f("account_setting_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("account_setting_pkey")),
        schema="platform",
    )
    op.execute(GRANT)
