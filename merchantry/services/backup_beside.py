"""What of ``platform`` goes into a merchant's backup: enough to verify its books from the file alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from psycopg import sql

from merchantry.tables.blueprint import PLATFORM_TABLES
from tenancy.snapshot import TableShape

ALL: Final = "true"
OWN: Final = "merchant_id = {merchant}"
OF_ITS_PAYMENTS: Final = (
    "payment_id IN (SELECT payment.id FROM platform.payment JOIN platform.buyer_order USING (checkout_id)"
    " WHERE buyer_order.merchant_id = {merchant})"
)
OF_ITS_CHECKOUTS: Final = "checkout_id IN (SELECT checkout_id FROM platform.buyer_order WHERE merchant_id = {merchant})"
ROWS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mall": ALL,
        "commission_plan": ALL,
        "merchant": "id = {merchant}",
        "merchant_profile": OWN,
        "settlement_schedule": OWN,
        "settlement_terms": OWN,
        "commission_invoice": OWN,
        "winding_up": OWN,
        "merchant_key": OWN,
        "buyer_order": OWN,
        "payment": OF_ITS_CHECKOUTS,
        "tender": OF_ITS_PAYMENTS,
        "payout": OWN,
        "payout_instruction": OWN,
        "chargeback": OWN,
        "return_request": OWN,
        "log_queue": OWN,
        "log_leaf": OWN,
        "platform_entry": OWN,
        "merchant_restore": OWN,
        "restore_gap": OWN,
    }
)
"""Which rows of which tables. They are never put back into ``platform``: there they are newer, and others' too."""


def tables() -> list[str]:
    """Their names, those that others refer to first."""
    return [table.name for table in PLATFORM_TABLES.sorted_tables if table.name in ROWS]


def copy_statement(table: TableShape, merchant_id: UUID) -> sql.Composed:
    """The COPY that reads a table's rows."""
    condition = sql.SQL(ROWS[table.name]).format(merchant=sql.Literal(merchant_id))
    return sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, table.columns)), sql.Identifier("platform", table.name), condition
    )
