"""A case may end because what it was about came to its end."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_constraint(op.f("review_case_status_is_known"), "review_case", schema="platform")
    op.create_check_constraint(
        op.f("review_case_status_is_known"),
        "review_case",
        "status IN ('open', 'approved', 'rejected', 'withdrawn', 'settled')",
        schema="platform",
    )
