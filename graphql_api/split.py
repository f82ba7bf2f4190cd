"""How the money of an order is shared, so that its merchant can check every cent."""

from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Account
from graphql_api.log import LogStatus, Receipt
from graphql_api.money import Money
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page
from graphql_api.selection import selects_anywhere
from graphql_api.split_line import SplitLine
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.order import OrderStatus
from merchantry.domain.permission import Permission
from merchantry.services import explanation, ledger
from merchantry.services.explanation import Explanation
from merchantry.services.receipt import Logged


@strawberry.enum(description="What became of a split.")
class SplitStatus(Enum):
    PENDING = strawberry.enum_value("pending", description="Captured; the hold has not ended.")
    AVAILABLE = strawberry.enum_value("available", description="The merchant's share can be settled.")
    REVERSED = strawberry.enum_value("reversed", description="Called off, or refunded whole.")


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
    log_status: LogStatus = strawberry.field(description="How far the entry has come in the public log.")
    receipt: Receipt | None = strawberry.field(description="Shows that the entry is in the log; null while it waits.")

    @staticmethod
    def of(found: BookedEntry, logged: Logged) -> "LedgerEntry":
        """The entry as it is stored."""
        receipt = logged.receipts.get(found.seq)
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
            log_status=LogStatus(logged.places.status(found.seq).value),
            receipt=None if receipt is None else Receipt.of(receipt),
        )


@strawberry.type(description="The split of one order.")
class Split(Node):
    id: strawberry.ID
    order_id: strawberry.ID
    order_number: str
    status: SplitStatus
    log_status: LogStatus = strawberry.field(description="How far the entry of the capture has come in the public log.")
    gross: Money = strawberry.field(description="What there was to divide: what the buyer paid, and the subsidy.")
    subsidy: Money = strawberry.field(description="What the platform added: its part of discounts.")
    commission: Money = strawberry.field(description="What the merchant is charged, whoever gets it.")
    commission_tax: Money
    merchant_share: Money
    collected_by: str = strawberry.field(description="Who took the buyer's money: platform or merchant.")
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
        found, lines = explained.order, explained.lines
        captured = next(each for each in explained.entries if each.seq == explained.capture_seq)

        def sum_of(name: str) -> Money:
            return Money.of(sum(getattr(each.split, name) for each in lines), found.currency)

        return Split(
            id=encode_id("Split", merchant_id, found.id),
            order_id=encode_id("Order", merchant_id, found.id),
            order_number=found.number,
            status=_status(explained),
            log_status=LogStatus(explained.logged.places.status(explained.capture_seq).value),
            gross=sum_of("gross_minor"),
            subsidy=sum_of("subsidy_minor"),
            commission=sum_of("charged_minor"),
            commission_tax=sum_of("commission_tax_minor"),
            merchant_share=sum_of("merchant_minor"),
            collected_by=found.collected_by,
            plan=lines[0].plan,
            plan_version=lines[0].plan_version,
            captured_at=captured.entry.occurred_at,
            hold_ends_at=found.hold_ends_at,
            available_at=found.available_at,
            lines=[
                SplitLine.of(merchant_id, line, frozen, explained.decision, found.currency)
                for line, frozen in zip(found.lines, lines, strict=True)
            ],
            entries=[LedgerEntry.of(each, explained.logged) for each in explained.entries],
        )


def _status(explained: Explanation) -> SplitStatus:
    if explained.order.status in (OrderStatus.CANCELLED, OrderStatus.REFUNDED):
        return SplitStatus.REVERSED
    return SplitStatus.AVAILABLE if explained.order.available_at else SplitStatus.PENDING


@strawberry.type(description="What a merchant has in one currency.")
class Balance:
    currency: str
    pending: Money = strawberry.field(description="Captured, on hold.")
    available: Money = strawberry.field(description="To be settled.")
    held: Money = strawberry.field(description="Kept back while it is disputed or under review.")
    reserved: Money
    in_payout: Money
    paid_out: Money
    commission: Money = strawberry.field(description="The platform's commission so far.")
    margin: Money = strawberry.field(description="The platform's margin on what it has sold in its own name.")


_SHOWN = {
    "pending": Account.MERCHANT_PENDING,
    "available": Account.MERCHANT_AVAILABLE,
    "held": Account.MERCHANT_HELD,
    "reserved": Account.MERCHANT_RESERVED,
    "in_payout": Account.IN_PAYOUT,
    "paid_out": Account.PAID_OUT,
    "commission": Account.PLATFORM_COMMISSION,
    "margin": Account.PLATFORM_MARGIN,
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
    async with info.context.database.read(allowed.act.actor) as tx:
        async with tx.as_merchant(allowed.merchant_id) as session:
            found = await explanation.page(session, limit=asked.limit, before=asked.after[0] if asked.after else None)
        found = await explanation.logged(
            tx, allowed.merchant_id, found, with_receipts=selects_anywhere(info, "receipt")
        )
        async with tx.as_platform() as platform:
            found = await explanation.decided(platform, found)
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
    async with info.context.database.read(allowed.act.actor) as tx:
        async with tx.as_merchant(merchant_id) as session:
            found = await explanation.of_orders(session, [order_id])
        found = await explanation.logged(tx, merchant_id, found, with_receipts=selects_anywhere(info, "receipt"))
        async with tx.as_platform() as platform:
            found = await explanation.decided(platform, found)
    return Split.of(merchant_id, found[0]) if found else None
