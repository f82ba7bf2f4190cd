"""How the money of an order is shared, so that its merchant can check every cent."""

from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Account
from graphql_api.money import Money
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page
from merchantry.domain.explanation import in_words
from merchantry.domain.ledger import EntryKind
from merchantry.domain.permission import Permission
from merchantry.services import explanation, ledger
from merchantry.services.explanation import Explanation
from merchantry.services.ledger import BookedEntry


@strawberry.enum(description="What became of a split.")
class SplitStatus(Enum):
    PENDING = strawberry.enum_value("pending", description="Captured; the hold has not ended.")
    AVAILABLE = strawberry.enum_value("available", description="The merchant's share can be settled.")
    REVERSED = strawberry.enum_value("reversed", description="Refunded.")


@strawberry.type(description="A line of a ledger entry. A credit is positive: more is owed to the account's party.")
class Posting:
    account: Account
    amount: Money


@strawberry.type(description="One balanced fact of a merchant's ledger; never changed, only reversed.")
class LedgerEntry:
    seq: str = strawberry.field(description="The entry's place in the merchant's ledger, without gaps.")
    kind: str
    occurred_at: datetime
    booked_at: datetime
    available_at: datetime | None
    postings: list[Posting]

    @staticmethod
    def of(found: BookedEntry) -> "LedgerEntry":
        """The entry as it is stored."""
        return LedgerEntry(
            seq=str(found.seq),
            kind=found.entry.kind,
            occurred_at=found.entry.occurred_at,
            booked_at=found.booked_at,
            available_at=found.entry.available_at,
            postings=[
                Posting(account=Account(each.account), amount=Money.of(each.amount_minor, each.currency))
                for each in found.entry.postings
            ],
        )


@strawberry.type(description="How one line's money was divided: frozen at capture, never computed again.")
class SplitLine:
    order_line_id: strawberry.ID
    title: str
    category: str
    goods: Money
    shipping: Money
    base: Money = strawberry.field(description="What the rate applies to.")
    rule: str = strawberry.field(description="The plan's rule that gave the rate.")
    rate_bps: int = strawberry.field(description="The rate in basis points: 1200 is 12 %.")
    rate_part: Money = strawberry.field(description="Rate times base, rounded half up to the minor unit.")
    fixed_part: Money
    bound: str = strawberry.field(description="What limited the commission: none, floor, cap, or base.")
    commission: Money
    merchant_share: Money
    explanation: str = strawberry.field(description="The computation in words.")


@strawberry.type(description="The split of one order.")
class Split(Node):
    id: strawberry.ID
    order_id: strawberry.ID
    order_number: str
    status: SplitStatus
    gross: Money = strawberry.field(description="What the buyer paid: commission and merchant's share together.")
    commission: Money
    merchant_share: Money
    plan: str
    plan_version: int
    captured_at: datetime
    hold_ends_at: datetime | None
    available_at: datetime | None
    lines: list[SplitLine]
    entries: list[LedgerEntry] = strawberry.field(description="Every entry about this order, oldest first.")

    @staticmethod
    def of(merchant_id: UUID, explained: Explanation) -> "Split":
        """The split of a captured order."""
        found = explained.order
        commission_minor = found.commission_minor or 0
        captured = next(each for each in explained.entries if each.seq == explained.capture_seq)
        return Split(
            id=encode_id("Split", merchant_id, found.id),
            order_id=encode_id("Order", merchant_id, found.id),
            order_number=found.number,
            status=_status(explained),
            gross=Money.of(found.total_minor, found.currency),
            commission=Money.of(commission_minor, found.currency),
            merchant_share=Money.of(found.total_minor - commission_minor, found.currency),
            plan=explained.lines[0].plan,
            plan_version=explained.lines[0].plan_version,
            captured_at=captured.entry.occurred_at,
            hold_ends_at=found.hold_ends_at,
            available_at=found.available_at,
            lines=_lines(merchant_id, explained),
            entries=[LedgerEntry.of(each) for each in explained.entries],
        )


def _status(explained: Explanation) -> SplitStatus:
    if any(each.entry.kind is EntryKind.REFUND for each in explained.entries):
        return SplitStatus.REVERSED
    return SplitStatus.AVAILABLE if explained.order.available_at else SplitStatus.PENDING


def _lines(merchant_id: UUID, explained: Explanation) -> list[SplitLine]:
    currency = explained.order.currency
    return [
        SplitLine(
            order_line_id=encode_id("OrderLine", merchant_id, line.order_id, line.id),
            title=line.title,
            category=line.category,
            goods=Money.of(line.goods_minor, currency),
            shipping=Money.of(line.shipping_minor, currency),
            base=Money.of(frozen.commission.base_minor, currency),
            rule=frozen.commission.rule,
            rate_bps=frozen.commission.rate_bps,
            rate_part=Money.of(frozen.commission.rate_part_minor, currency),
            fixed_part=Money.of(frozen.commission.fixed_minor, currency),
            bound=frozen.commission.bound,
            commission=Money.of(frozen.commission.commission_minor, currency),
            merchant_share=Money.of(frozen.merchant_minor, currency),
            explanation=in_words(frozen.commission, currency),
        )
        for line, frozen in zip(explained.order.lines, explained.lines, strict=True)
    ]


@strawberry.type(description="What a merchant has in one currency.")
class Balance:
    currency: str
    pending: Money = strawberry.field(description="Captured, on hold.")
    available: Money = strawberry.field(description="To be settled.")
    reserved: Money
    in_payout: Money
    paid_out: Money
    commission: Money = strawberry.field(description="The platform's commission so far.")


_SHOWN = {
    "pending": Account.MERCHANT_PENDING,
    "available": Account.MERCHANT_AVAILABLE,
    "reserved": Account.MERCHANT_RESERVED,
    "in_payout": Account.IN_PAYOUT,
    "paid_out": Account.PAID_OUT,
    "commission": Account.PLATFORM_COMMISSION,
}


async def balance(info: Info, at: datetime | None) -> list[Balance]:
    """The merchant's balance in each currency, now or as it stood after everything booked until a moment."""
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        rows = await (ledger.balances(session) if at is None else explanation.balances_at(session, at))
    amounts = {(row.currency, row.account): row.amount_minor for row in rows}
    return [
        Balance(
            currency=currency,
            **{name: Money.of(amounts.get((currency, account), 0), currency) for name, account in _SHOWN.items()},
        )
        for currency in sorted({row.currency for row in rows})
    ]


async def splits(info: Info, first: int | None, after: str | None) -> Connection[Split]:
    """The merchant's splits, the latest captured first."""
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    asked = page("splits", (int,), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await explanation.page(session, limit=asked.limit, before=asked.after[0] if asked.after else None)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: (each.capture_seq,),
        node_of=lambda each: Split.of(allowed.merchant_id, each),
    )


@node("Split", parts=2)
async def load_split(info: Info, parts: Parts) -> Split | None:
    """The split for staff of its merchant who may read the ledger."""
    merchant_id, order_id = parts
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    if allowed.merchant_id != merchant_id:
        return None
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(merchant_id) as session:
        found = await explanation.of_orders(session, [order_id])
    return Split.of(merchant_id, found[0]) if found else None
