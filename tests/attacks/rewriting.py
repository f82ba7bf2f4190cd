"""A merchant's history written anew, so well that every hash below the heads fits."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from merchantry.services import ledger


def rewritten(
    merchant_id: UUID, rows: Sequence[Mapping[str, Any]], first: int, factor: int
) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """Entries from ``first`` on with their amounts multiplied, running balances that follow, and their leaves."""
    balances: dict[tuple[str, str], int] = {}
    for row in rows:
        amounts = [amount * factor if row["seq"] >= first else amount for amount in row["amount"]]
        keys = list(zip(row["account"], row["currency"], strict=True))
        for key, amount in zip(keys, amounts, strict=True):
            balances[key] = balances.get(key, 0) + amount
        if row["seq"] >= first:
            salt = hashlib.sha256(bytes(row["salt"])).digest()
            new = {**row, "amount": amounts, "balance_after": [balances[key] for key in keys], "salt": salt}
            yield new, ledger.booked(cast(Any, SimpleNamespace(**new))).leaf(merchant_id)
