"""An order's money: split when it is captured, released when its hold ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain import entries
from merchantry.domain import order as rules
from merchantry.domain.act import Act
from merchantry.domain.category import order_hold_days
from merchantry.domain.closing import Charges, charge_details, summed
from merchantry.domain.commission import LineCommission, LineToRate
from merchantry.domain.entries import Collector
from merchantry.domain.event import EventKind
from merchantry.domain.ledger import Json
from merchantry.domain.order import OrderAct, OrderStatus
from merchantry.domain.plan import Rule
from merchantry.domain.release import Left, left
from merchantry.domain.review import Outcome, ReviewStatus, Verdict, worst
from merchantry.domain.seller import sale_details, terms_for
from merchantry.domain.settlement import local_day, period_at
from merchantry.domain.split import Division, LineSplit, OrderSplit, divide_order
from merchantry.domain.tax import LineTax, Remitter
from merchantry.domain.tiers import Volume
from merchantry.services import (
    audit,
    ledger,
    order,
    order_ledger,
    outbox,
    queue,
    review,
    review_hold,
    ship_by,
    totals,
    volume,
)
from merchantry.services.order import Line, Order
from merchantry.services.queue import JobKind
from merchantry.services.review import UNKNOWN_BUYER, BuyerFacts
from merchantry.services.terms import Terms
from merchantry.tables.merchant import order_line, orders, split_line
from tenancy.database import MerchantSession
from tenancy.writes import Changed, New, write

PARTIES = (
    "merchant_minor",
    "commission_minor",
    "commission_tax_minor",
    "payment_fee_minor",
    "sales_tax_minor",
    "shares_minor",
)
"""Who has part in a line's money; together they get all of it."""


def divide(found: Order, terms: Terms, volumes: Mapping[str, Volume] | None = None) -> Division:
    """The split of an order under the plan in force: pure, nothing is written. ``volumes`` are by rule.

    The provider charges nothing for money that the merchant collects. What the platform sells itself has no tax on its
    margin.
    """
    plan = terms_for(found.seller, terms.plan)
    rated = rated_lines(found.lines, found.currency, terms.slug, terms.category)
    lines = [(line.id, each) for line, each in zip(found.lines, rated, strict=True)]
    return divide_order(plan, lines, volumes, with_payment_fee=found.collected_by == Collector.PLATFORM)


def rated_lines(lines: Sequence[Line], currency: str, slug: str, category: str) -> list[LineToRate]:
    """The lines of an order as a plan rates them, with their merchant's slug and category."""
    return [
        LineToRate(
            merchant=slug,
            merchant_category=category,
            product_category=line.category,
            currency=currency,
            quantity=line.quantity,
            goods_minor=line.goods_minor,
            shipping_minor=line.shipping_minor,
            discount_merchant_minor=line.discount_merchant_minor,
            discount_platform_minor=line.discount_platform_minor,
            tax=tax_of(line),
        )
        for line in lines
    ]


def tax_of(line: Line) -> LineTax | None:
    """The sales tax that was frozen with a line; None where it has none."""
    if line.tax_jurisdiction is None:
        return None
    return LineTax(
        rate_bps=line.tax_rate_bps,
        jurisdiction=line.tax_jurisdiction,
        inclusive=line.tax_inclusive,
        remitted_by=Remitter(line.tax_remitted_by),
        tax_minor=line.tax_minor,
        covers_shipping=line.tax_covers_shipping,
    )


@dataclass(frozen=True, slots=True)
class Captured:
    """An order whose money came in, and what the review rules in force made of it."""

    order: Order
    verdicts: tuple[Verdict, ...]


async def capture(
    session: MerchantSession, order_id: UUID, terms: Terms, act: Act, buyer: BuyerFacts = UNKNOWN_BUYER
) -> Captured:
    """The buyer's money is in, or the merchant has it: split it by the plan in force, freeze that on the lines, book
    it. An order that reaches a step of retroactive tiers books a true-up for those before it as well.

    The rules judge it in the same transaction; one that they hold is captured like any other, and kept back when it is
    released.
    """
    found, held, books = await _held(session, order_id, terms, act)
    state = rules.pay(found.state)
    division = divide(found, terms, held.volumes)
    split = division.split
    details: dict[str, Json] = {
        "number": found.number,
        "plan": terms.plan_name,
        "plan_version": terms.plan_version,
        **charge_details(_charges(split)),
    }
    entry = entries.capture(
        order_id,
        split,
        collected_by=Collector(found.collected_by),
        seller=found.seller,
        occurred_at=act.at,
        details=details,
    )
    booking = await ledger.booking(session, books, entry, act, entries.platform_side(entry, earned=False))
    figures = [totals.captured(line.category, part) for line, part in zip(found.lines, split.lines, strict=True)]
    trued_up = {}
    if division.commission.true_ups:
        await write(session, *booking)
        booking = []
    for each in division.commission.true_ups:
        trued_up[each.rule] = await volume.book_true_up(session, found, each, held.windows[each.rule], terms, act)
        reached_by = next(line for line in found.lines if _rule(line, terms).name == each.rule)
        figures.append(totals.trued_up(reached_by.category, each.amount_minor, each.tax_minor))
    rules_of_order, version = review.rules_for(terms.rules, terms.slug, terms.category)
    verdicts = await review.of_order(session, found, split.lines, rules_of_order, version, buyer, act)
    due = ship_by.deadline(found, terms.zone, act)
    moved = await order.move(
        session,
        found,
        state,
        OrderAct.PAY,
        act,
        {"commission_minor": split.charged_minor},
        *booking,
        *totals.of_day(local_day(act.at, terms.mall_zone), split.currency, figures, orders=1),
        *(New(split_line, _frozen(line, order_id, terms)) for line in split.lines),
        *held.changed(division.commission.volumes, trued_up),
        *_recorded(session, found, split, books.seq, act),
        *_reviewed(session, found, verdicts, act),
        *ship_by.watched(session, found.id, due),
        ship_by=due,
        captured_at=act.at,
        capture_seq=books.seq,
        commission_minor=split.charged_minor,
        hold_days=order_hold_days((line.hold_days for line in found.lines), terms.plan.hold_days),
        **({"review_status": ReviewStatus.HELD} if worst(verdicts) is Outcome.HOLD else {}),
    )
    return Captured(moved, verdicts)


async def _held(
    session: MerchantSession, order_id: UUID, terms: Terms, act: Act
) -> tuple[Order, volume.Held, ledger.Held]:
    """The order, what was sold under its rules' tiers, and the ledger, each locked before the next.

    One statement, unless the plan has tiers.
    """
    if not any(rule.terms.tiers for rule in terms.plan.rules):
        found, books = await order_ledger.hold(session, order_id)
        return found, await volume.held(session, terms.plan_name, (), found, act.at, terms.schedules), books
    found = await order.load(session, order_id)
    line_rules = [_rule(line, terms) for line in found.lines]
    held = await volume.held(session, terms.plan_name, line_rules, found, act.at, terms.schedules)
    return found, held, await ledger.hold(session)


def _rule(line: Line, terms: Terms) -> Rule:
    return terms.plan.rule_for(terms.slug, terms.category, line.category)


def _recorded(session: MerchantSession, found: Order, split: OrderSplit, seq: int, act: Act) -> list[New]:
    facts = {
        "order": found.id,
        "number": found.number,
        "currency": split.currency,
        "merchant_minor": sum(line.merchant_minor for line in split.lines),
        "commission_minor": split.charged_minor,
        "entry": seq,
    }
    return outbox.published(session, EventKind.SPLIT_RECORDED, facts, act)


def _reviewed(session: MerchantSession, found: Order, verdicts: Sequence[Verdict], act: Act) -> list[New]:
    """The verdicts on an order; the merchant is told where its money will be held."""
    facts = {"order": found.id, "number": found.number}
    told = outbox.published(session, EventKind.ORDER_HELD, facts, act)
    return [*review.written(verdicts, found.id, found.id, act), *(told if worst(verdicts) is Outcome.HOLD else [])]


def _charges(split: OrderSplit) -> Charges:
    lines = split.lines
    return summed(
        {line.commission.commission_tax_bps: (line.charged_minor, line.commission_tax_minor)} for line in lines
    )


def _frozen(line: LineSplit, order_id: UUID, terms: Terms) -> dict[str, Any]:
    rated = line.commission
    return {
        "order_line_id": line.id,
        "order_id": order_id,
        "plan": terms.plan_name,
        "plan_version": terms.plan_version,
        "rule": rated.rule,
        "base_minor": rated.base_minor,
        "rate_bps": rated.rate_bps,
        "rate_part_minor": rated.rate_part_minor,
        "fixed_minor": rated.fixed_minor,
        "bound": rated.bound,
        **{name: getattr(line, name) for name in PARTIES},
        "platform_fee_minor": line.platform_fee_minor,
        "subsidy_minor": line.subsidy_minor,
        "shares": [share.document() for share in line.shares],
        "explanation": line.document(),
    }


async def release(session: MerchantSession, order_id: UUID | Order, terms: Terms, act: Act) -> bool:
    """The hold is over: what is left of the merchant's part is available, or owed, from the moment the hold ended.

    False where it was before, and while a return or a chargeback is open.
    """
    found = await order.held(session, order_id)
    is_due = found.status is OrderStatus.COMPLETED and found.available_at is None and not found.open_disputes
    if found.hold_ends_at is None or not is_due:
        await queue.dequeue(session, session.merchant_id, JobKind.HOLD_RELEASE, found.id)
        return False
    await _release(session, found, await _left(session, found), terms, replace(act, at=found.hold_ends_at))
    return True


async def release_rest(session: MerchantSession, found: Order, terms: Terms, act: Act) -> bool:
    """An order ended before its release: what its policy retained is settled now. False where there is nothing."""
    rest = await _left(session, found)
    if found.available_at is not None or not (rest.merchant_minor or any(rest.accrued.values())):
        return False
    await _release(session, found, rest, terms, act)
    return True


async def _left(session: MerchantSession, found: Order) -> Left:
    booked = await ledger.entries_of(session, found.id)
    return left((each.entry for each in booked), Collector(found.collected_by))


async def _release(session: MerchantSession, found: Order, rest: Left, terms: Terms, act: Act) -> None:
    at, payable = act.at, rest.merchant_minor
    entry = entries.release(
        found.id,
        payable,
        found.currency,
        unreleased=entries.UNRELEASED[Collector(found.collected_by)],
        occurred_at=at,
        available_at=at,
        details={
            "number": found.number,
            **charge_details(rest.charges),
            **sale_details(found.seller, purchase_minor=payable),
        },
    )
    await ledger.book(session, entry, act, entries.platform_release(rest.accrued, found.currency))
    period = period_at(at, terms.schedules)
    await totals.add_to_period(session, local_day(at, terms.mall_zone), period, found.currency, payable)
    await review_hold.keep(session, found, payable, act)
    seq, after = found.events + 1, {"payable_minor": payable}
    facts = {"order": found.id, "number": found.number, "currency": found.currency, **after}
    await write(
        session,
        Changed(orders, {"id": found.id}, {"available_at": at, "events": seq}),
        order.event(found.id, seq, "release", act, after),
        audit.event(session, session.merchant_id, act, "split.release", str(found.id), None, after),
        *outbox.published(session, EventKind.SPLIT_RELEASED, facts, act),
        queue.done(session.merchant_id, JobKind.HOLD_RELEASE, found.id),
    )


@dataclass(frozen=True, slots=True)
class FrozenLine:
    """How one line's money was divided, as it was frozen at capture; by which version of which plan."""

    order_line_id: UUID
    order_id: UUID
    plan: str
    plan_version: int
    split: LineSplit

    @property
    def commission(self) -> LineCommission:
        """How the commission came about."""
        return self.split.commission

    @property
    def merchant_minor(self) -> int:
        """The merchant's part."""
        return self.split.merchant_minor


FROZEN = select(
    split_line, order_line.c.goods_minor, order_line.c.shipping_minor, order_line.c.category, order_line.c.position
).join(order_line, order_line.c.id == split_line.c.order_line_id)
"""Split lines, with what ``frozen_split`` needs beside them."""


async def lines_of(session: MerchantSession, order_ids: Sequence[UUID]) -> Mapping[UUID, FrozenLine]:
    """The frozen splits of several orders, by order line."""
    rows = await session.execute(FROZEN.where(split_line.c.order_id == func.any(list(order_ids))))
    return {
        row.order_line_id: FrozenLine(row.order_line_id, row.order_id, row.plan, row.plan_version, frozen_split(row))
        for row in rows
    }


def frozen_split(row: Any) -> LineSplit:
    """A line's split from a row of ``FROZEN``. Raises ValueError where it is not what was frozen."""
    if row.explanation is not None:
        return LineSplit.from_document(row.explanation)
    # Frozen before lines kept their whole computation: there were only these two parties, and no discount or tax.
    rated = LineCommission(
        rule=row.rule,
        base_minor=row.base_minor,
        rate_bps=row.rate_bps,
        rate_part_minor=row.rate_part_minor,
        fixed_minor=row.fixed_minor,
        bound=row.bound,
        commission_minor=row.commission_minor,
    )
    return LineSplit(
        id=row.order_line_id,
        goods_minor=row.goods_minor,
        shipping_minor=row.shipping_minor,
        gross_minor=row.goods_minor + row.shipping_minor,
        commission=rated,
        commission_minor=row.commission_minor,
        merchant_minor=row.merchant_minor,
    )
