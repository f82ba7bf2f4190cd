"""The mall may ask that entries are in the public log before statements close over them and payouts are sent."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column(
        "mall", sa.Column("require_logged", sa.Text(), server_default="none", nullable=False), schema="platform"
    )
    op.create_check_constraint(
        op.f("mall_require_logged_is_known"),
        "mall",
        "require_logged IN ('none', 'signed', 'confirmed')",
        schema="platform",
    )
