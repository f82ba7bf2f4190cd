"""The leanest checkout that books the same rows: psycopg, pipelined, one transaction to place and one to pay.

It checks prices, stock and the buyer, and leaves the rest to the tables' constraints. It knows shops and plan by heart,
works as the tables' owner (no role is taken, no row-level policy applies), asks no provider between two transactions,
and answers nothing but the checkout's id. What takes no part in the books it doesn't compute: random bytes stand where
addresses are sealed, and where audit events are committed to.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from benchmarks import bare_checkout_sql as statements
from benchmarks.installation import SHIPPING_MINOR
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, Posting
from merchantry.domain.money import of_bps
from merchantry.domain.split import allocate_shipping
from merchantry.tables.platform import NOBODY
from tenancy.schemas import MARK, schema_of

Connection = AsyncConnection[TupleRow]

RATE_BPS = 1_200
CURRENCY = "BRL"
SHIP_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Offer:
    """A variant on sale, as the buyer saw it."""

    variant_id: UUID
    price_minor: int


@dataclass(frozen=True)
class Stall:
    """A merchant of the benchmark's mall and what it sells, all in one category."""

    merchant_id: UUID
    slug: str
    number: int
    name: str
    legal_name: str
    category: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class Part:
    """Some offers of one merchant, one piece of each."""

    stall: Stall
    offers: tuple[Offer, ...]

    @property
    def goods_minor(self) -> int:
        """All lines together."""
        return sum(offer.price_minor for offer in self.offers)


SEALED_BYTES, SEALED_KEY_BYTES, LEAF_BYTES = 160, 80, 32
"""About what an address, its key and a leaf take."""


def _sealed() -> dict[str, bytes]:
    return {"sealed": secrets.token_bytes(SEALED_BYTES), "sealed_key": secrets.token_bytes(SEALED_KEY_BYTES)}


def _of(statement: str, merchant_id: UUID) -> bytes:
    return statement.replace(MARK, schema_of(merchant_id)).encode()


def _claim(actor: str, mutation: str, result: UUID, at: datetime) -> dict[str, Any]:
    digest = secrets.token_bytes(32)
    return {
        "nobody": NOBODY,
        "actor": actor,
        "key": str(uuid4()),
        "mutation": mutation,
        "hash": digest,
        "result": result,
        "at": at,
    }


async def place(connection: Connection, buyer_id: UUID, parts: Sequence[Part]) -> UUID:
    """Place a checkout, parts by merchant id. Raises RuntimeError where an offer has changed."""
    checkout_id, at, actor = uuid4(), datetime.now(UTC), f"buyer:{buyer_id}"
    orders = [uuid4() for _ in parts]
    async with connection.pipeline():
        await connection.execute(statements.CLAIM, _claim(actor, "checkoutPlace", checkout_id, at))
        placed = [
            await connection.execute(
                _of(statements.PLACE_ORDER, part.stall.merchant_id),
                _placed(part, order_id, checkout_id, at),
            )
            for part, order_id in zip(parts, orders, strict=True)
        ]
        rows = [await cursor.fetchone() or ("", 0) for cursor in placed]
    if any(found != len(part.offers) for part, (_, found) in zip(parts, rows, strict=True)):
        raise RuntimeError("an offer has changed")
    totals = [part.goods_minor + SHIPPING_MINOR for part in parts]
    async with connection.pipeline():
        await connection.execute(
            statements.PLACE_CHECKOUT,
            {
                "nobody": NOBODY,
                "checkout": checkout_id,
                "buyer": buyer_id,
                "actor": actor,
                "goods": sum(part.goods_minor for part in parts),
                "shipping": SHIPPING_MINOR * len(parts),
                **_sealed(),
                "at": at,
                "expires": at + timedelta(minutes=30),
                "merchants": [part.stall.merchant_id for part in parts],
                "orders": orders,
                "numbers": [number for number, _ in rows],
                "names": [part.stall.name for part in parts],
                "totals": totals,
                "audited": uuid4(),
                "audit_leaf": secrets.token_bytes(LEAF_BYTES),
            },
        )
        await connection.commit()
    return checkout_id


def _placed(part: Part, order_id: UUID, checkout_id: UUID, at: datetime) -> dict[str, Any]:
    return {
        "merchant": part.stall.merchant_id,
        "merchant_number": str(part.stall.number),
        "legal_name": part.stall.legal_name,
        "order": order_id,
        "checkout": checkout_id,
        "goods": part.goods_minor,
        "shipping": SHIPPING_MINOR,
        "variants": [offer.variant_id for offer in part.offers],
        "quantities": [1 for _ in part.offers],
        "seen": [offer.price_minor for offer in part.offers],
        "shares": allocate_shipping(SHIPPING_MINOR, [offer.price_minor for offer in part.offers]),
        "line_ids": [uuid4() for _ in part.offers],
        **_sealed(),
        "at": at,
        "told": uuid4(),
        "audited": uuid4(),
        "audit_leaf": secrets.token_bytes(LEAF_BYTES),
    }


async def pay(connection: Connection, buyer_id: UUID, checkout_id: UUID, stalls: dict[UUID, Stall]) -> None:
    """Pay a placed checkout and book every order's split. Raises RuntimeError where it isn't to be paid."""
    payment_id, at, actor = uuid4(), datetime.now(UTC), f"buyer:{buyer_id}"
    async with connection.pipeline():
        await connection.execute(statements.CLAIM, _claim(actor, "checkoutPay", payment_id, at))
        found = await connection.execute(statements.LOCK_CHECKOUT, {"checkout": checkout_id, "buyer": buyer_id})
        orders = await found.fetchall()
    if not orders:
        raise RuntimeError("the checkout isn't to be paid")
    async with connection.pipeline():
        locked = [
            await connection.execute(_of(statements.LOCK_ORDER, merchant_id), {"order": order_id})
            for merchant_id, order_id, _ in orders
        ]
        lines = [await cursor.fetchall() for cursor in locked]
    total = 0
    async with connection.pipeline():
        for (merchant_id, order_id, number), rows in zip(orders, lines, strict=True):
            captured = _captured(stalls[merchant_id], order_id, number, rows, at)
            total += captured["goods"] + captured["shipping"]
            await connection.execute(_of(statements.CAPTURE_ORDER, merchant_id), captured)
        await connection.execute(
            statements.PAY_CHECKOUT,
            {
                "nobody": NOBODY,
                "payment": payment_id,
                "checkout": checkout_id,
                "total": total,
                "actor": actor,
                "begun": uuid4(),
                "settled": uuid4(),
                "begun_leaf": secrets.token_bytes(LEAF_BYTES),
                "settled_leaf": secrets.token_bytes(LEAF_BYTES),
                "at": at,
            },
        )
        await connection.commit()


def _captured(stall: Stall, order_id: UUID, number: str, rows: Sequence[TupleRow], at: datetime) -> dict[str, Any]:
    """Rows are the entry's ``seq``, goods, shipping, id and category of a line, and the balances of all accounts."""
    seq: int = rows[0][0]
    commissions = [of_bps(row[1], RATE_BPS) for row in rows]
    goods, shipping, commission = sum(row[1] for row in rows), sum(row[2] for row in rows), sum(commissions)
    details: dict[str, Json] = {"number": number, "plan": "standard", "plan_version": 1}
    postings = (
        Posting(Account.BUYER_FUNDS, CURRENCY, -goods - shipping),
        Posting(Account.MERCHANT_PENDING, CURRENCY, goods + shipping - commission),
        Posting(Account.PLATFORM_COMMISSION, CURRENCY, commission),
    )
    entry = Entry(EntryKind.CAPTURE, order_id, at, None, None, postings, details)
    after = tuple(rows[0][5].get(posting.account, 0) + posting.amount_minor for posting in postings)
    made = BookedEntry(seq, entry, at, secrets.token_bytes(32), after, secrets.token_bytes(32))
    return {
        "merchant": stall.merchant_id,
        "order": order_id,
        "seq": seq,
        "rule": "default",
        "rate_bps": RATE_BPS,
        "line_ids": [row[3] for row in rows],
        "bases": [row[1] for row in rows],
        "commissions": commissions,
        "merchants": [row[1] + row[2] - part for row, part in zip(rows, commissions, strict=True)],
        "accounts": [str(posting.account) for posting in postings],
        "currencies": [posting.currency for posting in postings],
        "amounts": [posting.amount_minor for posting in postings],
        "details": Jsonb(details),
        "salt": made.salt,
        "balance_salt": made.balance_salt,
        "leaf": made.leaf(stall.merchant_id),
        "category": stall.category,
        "goods": goods,
        "shipping": shipping,
        "commission": commission,
        "net": goods + shipping - commission,
        "after": list(after),
        "day": at.date(),
        "at": at,
        "ship_by": at + SHIP_WITHIN,
        "told": uuid4(),
        "told_split": uuid4(),
        "paid": Jsonb({"order": str(order_id), "number": number, "status": "to_ship"}),
        "recorded": Jsonb({"order": str(order_id), "number": number, "entry": seq, "commission_minor": commission}),
        "audited": uuid4(),
        "audit_leaf": secrets.token_bytes(LEAF_BYTES),
    }
