"""Everything that the laws are about, read from the database by one statement after each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg import sql

from tenancy.schemas import schema_of

Row = dict[str, Any]

MERCHANT = {
    "ledger_entry": "seq, kind, order_id, occurred_at, available_at, reverses, account, currency, amount",
    "balance": "account, currency, amount_minor",
    "orders": "id, status, goods_minor, shipping_minor, refunded_minor, commission_minor, available_at, open_disputes",
    "order_line": "order_id, variant_id, quantity, shipped, cancelled, refunded, goods_minor, shipping_minor,"
    " refunded_goods_minor, refunded_shipping_minor",
    "split_line": "order_id, merchant_minor, commission_minor, commission_tax_minor, payment_fee_minor",
    "refund": "id, order_id, kind, status, amount_minor, commission_minor, merchant_minor, entry_seq,"
    " goods_minor, shipping_minor, parties",
    "statement": "id, number, ends_at, starts_at, opening_minor, closing_minor, entries, content_hash",
    "statement_line": "statement_id, entry_seq, kind, amount_minor, available_at",
    "variant": "id, on_hand, reserved",
    "counter": "name, value",
    "daily_total": "category, goods_minor, shipping_minor, commission_minor, refunds_minor, commission_returned_minor",
    "daily_available": "payable_minor",
}
PLATFORM = {
    "payment": "id, checkout_id, amount_minor, refunded_minor",
    "tender": "payment_id, amount_minor, refunded_minor",
    "buyer_order": "merchant_id, order_id, checkout_id, status",
    "payout": "merchant_id, id, statement_id, amount_minor, paid_minor, returned_minor, status",
    "payout_instruction": "merchant_id, payout_id, key, attempt, position, amount_minor, status",
    "chargeback": "merchant_id, order_id, id, provider_reference, round, status, amount_minor, covered_minor,"
    " held_minor",
    "platform_entry": "merchant_id, seq, account, amount",
    "log_queue": "merchant_id, seq, leaf",
    "log_leaf": "merchant_id, seq, leaf",
    "commission_invoice": "merchant_id, kind, number",
}
KEYS = {"ledger_entry": "seq", "statement": "ends_at", "payout_instruction": "attempt", "chargeback": "round"}


@dataclass(frozen=True)
class Books:
    """One merchant's rows by table, the platform's about it among them."""

    merchant_id: UUID
    tables: Mapping[str, Sequence[Row]]

    def __getitem__(self, table: str) -> Sequence[Row]:
        return self.tables[table]

    def balances(self) -> dict[str, int]:
        """Those that are not zero."""
        return {row["account"]: row["amount_minor"] for row in self["balance"] if row["amount_minor"]}

    def payouts(self) -> dict[UUID, Row]:
        """By their ids."""
        return {UUID(row["id"]): row for row in self["payout"]}

    def statuses(self) -> dict[UUID, str]:
        """Of the orders."""
        return {UUID(row["id"]): row["status"] for row in self["orders"]}


class Reader:
    """Reads the books of some merchants, in one round trip and one snapshot."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], merchant_ids: Sequence[UUID]) -> None:
        self._connection = connection
        self._merchant_ids = merchant_ids
        rows = [_rows(schema_of(each), name) for each in merchant_ids for name in MERCHANT]
        rows += [_rows("platform", name) for name in PLATFORM]
        self._statement = sql.SQL("SELECT json_build_array({})::text").format(sql.SQL(", ").join(rows))

    def read(self) -> dict[UUID, Books]:
        """The books as they are now."""
        [text] = self._connection.execute(self._statement, prepare=True).fetchone() or ("[]",)
        found = iter(orjson.loads(str(text)))
        own = {each: {name: next(found) for name in MERCHANT} for each in self._merchant_ids}
        platform = {name: next(found) for name in PLATFORM}
        return {each: Books(each, {**own[each], **_about(each, platform)}) for each in self._merchant_ids}


def _rows(schema: str, name: str) -> sql.Composed:
    columns = sql.SQL({**MERCHANT, **PLATFORM}[name])
    order = sql.SQL(f"ORDER BY {KEYS[name]}") if name in KEYS else sql.SQL("")
    query = sql.SQL("SELECT {} FROM {} {}").format(columns, sql.Identifier(schema, name), order)
    return sql.SQL("(SELECT coalesce(json_agg(t), '[]') FROM ({}) t)").format(query)


def _about(merchant_id: UUID, platform: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """The platform's rows about a merchant; payments and tenders are nobody's alone."""
    wanted = str(merchant_id)
    return {name: [row for row in rows if row.get("merchant_id", wanted) == wanted] for name, rows in platform.items()}
