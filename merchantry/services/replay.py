"""A proposed plan over past orders of all merchants: what it would have come to, before anybody approves it.

Each merchant is read in a snapshot of its own and in pages, so that many orders need no more memory than few. Orders
are rated as they were sold (prices, discounts, tax, categories) with the merchant's category of today. Refunds and
chargebacks that were booked by the end of the span count on both sides, each under its own plan's policy.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Row, Uuid, bindparam, exists, func, select

from merchantry.domain.errors import InvalidInput
from merchantry.domain.ledger import EntryKind
from merchantry.domain.plan import Plan
from merchantry.domain.replay import Compared, Lines, Replay, Undone
from merchantry.domain.reversal import Refunded
from merchantry.domain.seller import PLATFORM_PART
from merchantry.services import order, split
from merchantry.services.mall import mall_zone
from merchantry.services.schedule import parsed, schedules_as_text
from merchantry.services.volume import window_starts_at
from merchantry.tables.merchant import ledger_entry, orders, refund
from merchantry.tables.platform import merchant_profile
from tenancy.database import Database, MerchantSession
from tenancy.tables import merchant

PAGE = 500
"""Orders that are read at once."""

UNDOING = (EntryKind.REFUND, EntryKind.CHARGEBACK, EntryKind.CHARGEBACK_REVERSED)
KINDS = (EntryKind.CAPTURE, EntryKind.TIER_TRUE_UP, EntryKind.TRUE_UP_TAKEN_BACK, *UNDOING)
CAPTURES = (
    select(
        ledger_entry.c.seq,
        ledger_entry.c.kind,
        ledger_entry.c.occurred_at,
        ledger_entry.c.account,
        ledger_entry.c.amount,
        ledger_entry.c.order_id,
        ledger_entry.c.reverses,
        ledger_entry.c.details,
        orders.c.captured_at,
        orders.c.currency,
        orders.c.commission_minor,
    )
    .join(orders, orders.c.id == ledger_entry.c.order_id)
    .where(
        ledger_entry.c.seq > bindparam("after"),
        ledger_entry.c.kind.in_(KINDS),
        ledger_entry.c.occurred_at >= bindparam("since"),
        ledger_entry.c.occurred_at < bindparam("until"),
    )
    .order_by(ledger_entry.c.seq)
    .limit(PAGE)
)


REFUNDS = select(refund.c.entry_seq, refund.c.line_ids, refund.c.goods_minor, refund.c.shipping_minor).where(
    refund.c.order_id == func.any(bindparam("orders", type_=ARRAY(Uuid)))
)
REFUNDED = select(orders.c.id).where(
    exists().where(refund.c.order_id == orders.c.id), orders.c.captured_at < bindparam("until")
)


@dataclass(frozen=True, slots=True)
class MerchantReplay:
    """What one merchant's orders of the span come to, by currency; nothing where it sold none."""

    merchant_id: UUID
    slug: str
    by_currency: dict[str, Compared]


@dataclass(frozen=True, slots=True)
class Rated:
    """What a merchant's lines are rated by, beside what they say themselves."""

    id: UUID
    slug: str
    category: str
    schedules: tuple[Any, ...]


async def merchants_to_replay(database: Database, actor: str, merchants: Sequence[UUID] | None) -> list[Rated]:
    """These merchants, or all, whatever their status, by slug."""
    statement = (
        select(merchant.c.id, merchant.c.slug, merchant_profile.c.category, schedules_as_text().label("schedules"))
        .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
        .order_by(merchant.c.slug)
    )
    if merchants is not None:
        statement = statement.where(merchant.c.id == func.any(list(merchants)))
    async with database.read(actor) as tx, tx.as_platform() as session:
        return [
            Rated(row.id, row.slug, row.category, parsed(row.schedules)) for row in await session.execute(statement)
        ]


async def replay(
    database: Database, actor: str, plan: Plan, date_from: date, date_to: date, merchants: Sequence[Rated]
) -> AsyncIterator[MerchantReplay]:
    """The plan over captures with ``date_from <= day < date_to`` in the mall's time zone, merchant by merchant.

    Tiers are rated in the order of capture, and count what was captured before the span in a window that reaches into
    it. Raises InvalidInput for an empty span.
    """
    if date_from >= date_to:
        reason = "The span is empty: its end is the first day that no longer counts, so it must be after its start."
        raise InvalidInput(reason=reason, path=("to",))
    async with database.read(actor) as tx, tx.as_platform() as session:
        zone = await mall_zone(session)
    since, until = (midnight(day, zone) for day in (date_from, date_to))
    for each in merchants:
        async with database.read(actor) as tx, tx.as_merchant(each.id) as session:
            found = await _replayed(session, each, plan, since, until)
        yield MerchantReplay(each.id, each.slug, dict(sorted(found.compared.items())))


def totals_of(found: Sequence[MerchantReplay]) -> dict[str, Compared]:
    """All merchants together, by currency."""
    sums: dict[str, Compared] = {}
    for each in found:
        for currency, compared in each.by_currency.items():
            sums[currency] = sums.get(currency, Compared()) + compared
    return dict(sorted(sums.items()))


async def _replayed(session: MerchantSession, each: Rated, plan: Plan, since: datetime, until: datetime) -> Replay:
    found = Replay(plan, lambda tiers, at: window_starts_at(tiers, at, each.schedules))
    tiers = [rule.terms.tiers for rule in plan.rules if rule.terms.tiers is not None]
    begins = min([since, *(window_starts_at(tier, since, each.schedules) for tier in tiers)])
    refunded = set((await session.execute(REFUNDED, {"until": until})).scalars())
    after = 0
    while True:
        rows = (await session.execute(CAPTURES, {"after": after, "since": begins, "until": until})).all()
        lines = await order.lines_of(session, [row.order_id for row in rows])
        went_back = await _refunds(session, [row.order_id for row in rows if row.kind in UNDOING])
        for row in rows:
            rated = split.rated_lines(lines[row.order_id], row.currency, each.slug, each.category)
            with_ids = [(line.id, rating) for line, rating in zip(lines[row.order_id], rated, strict=True)]
            if row.kind in UNDOING:
                _undo(found, row, with_ids, went_back)
            else:
                _show(found, row, with_ids, counts=row.occurred_at >= since, has_refunds=row.order_id in refunded)
        if len(rows) < PAGE:
            return found
        after = rows[-1].seq


def _show(found: Replay, row: Row[Any], lines: Lines, *, counts: bool, has_refunds: bool) -> None:
    if row.kind == EntryKind.CAPTURE:
        booked_minor = row.commission_minor or 0
        found.add(row.order_id, lines, row.occurred_at, booked_minor, counts=counts, has_refunds=has_refunds)
    elif row.kind == EntryKind.TRUE_UP_TAKEN_BACK:
        found.taken_back(row.order_id, _commission(row))
    elif counts:
        found.trued_up(row.currency, _commission(row))


def _commission(row: Row[Any]) -> int:
    pairs = zip(row.account, row.amount, strict=True)
    return sum(amount for account, amount in pairs if account in PLATFORM_PART.values())


async def _refunds(session: MerchantSession, order_ids: Sequence[UUID]) -> dict[int, dict[UUID, Refunded] | None]:
    """What went back of which lines, by the entry; None where it was the whole order, from before refunds had lines."""
    rows = await session.execute(REFUNDS, {"orders": list(order_ids)}) if order_ids else ()
    return {
        row.entry_seq: {
            line_id: Refunded(goods, shipping)
            for line_id, goods, shipping in zip(row.line_ids, row.goods_minor, row.shipping_minor, strict=True)
        }
        or None
        for row in rows
    }


def _undo(found: Replay, row: Row[Any], lines: Lines, went_back: Mapping[int, Mapping[UUID, Refunded] | None]) -> None:
    """A chargeback that took nothing of the sale has no refund, and is none."""
    is_undone = row.kind == EntryKind.CHARGEBACK_REVERSED
    by = row.reverses if is_undone else row.seq
    if by not in went_back:
        return
    found.know(row.order_id, lines, row.captured_at)
    returned_minor = -int(row.details.get("commission_minor", _commission(row)))
    found.refund(Undone(row.order_id, by, row.occurred_at, went_back[by], returned_minor, is_undone))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The day's beginning, for days near the calendar's ends too."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time(), UTC)
