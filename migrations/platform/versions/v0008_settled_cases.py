"""A case may end because what it was about came to its end, and may be approved in part."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.drop_constraint(op.f("review_case_status_is_known"), "review_case", schema="platform")
    op.create_check_constraint(
        op.f("review_case_status_is_known"),
        "review_case",
        "status IN ('open', 'approved', 'rejected', 'withdrawn', 'settled')",
        schema="platform",
    )
    op.add_column("review_case", sa.Column("granted_minor", sa.BigInteger(), nullable=True), schema="platform")
    op.create_check_constraint(
        op.f("review_case_granted_is_within_amount"),
        "review_case",
        "granted_minor BETWEEN 1 AND amount_minor",
        schema="platform",
    )
