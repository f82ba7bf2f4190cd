"""Entries show the balances after them, and a salt of their own for what the public log shows of those."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    balances = sa.Column("balance_after", postgresql.ARRAY(sa.BigInteger()), nullable=True)
    op.add_column("ledger_entry", balances, schema="__merchant__")
    op.add_column("ledger_entry", sa.Column("balance_salt", sa.LargeBinary(), nullable=True), schema="__merchant__")
    op.create_check_constraint(
        op.f("ledger_entry_balance_after_each_posting"),
        "ledger_entry",
        "cardinality(balance_after) = cardinality(amount) AND octet_length(balance_salt) = 32"
        " OR balance_after IS NULL AND balance_salt IS NULL",
        schema="__merchant__",
    )
