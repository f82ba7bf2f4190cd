"""Documents for what the platform bought from a merchant stand beside those for its commission."""

from alembic import op

revision = "0017"
down_revision = "0016"

KINDS = "kind IN ('invoice', 'credit_note', 'self_billed', 'self_billed_credit')"


def upgrade() -> None:
    name = op.f("commission_invoice_kind_is_known")
    op.drop_constraint(name, "commission_invoice", schema="platform", type_="check")
    op.create_check_constraint(name, "commission_invoice", KINDS, schema="platform")
