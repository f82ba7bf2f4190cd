"""An order's money: split when it is captured, released when its hold ends, reversed when it is cancelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select

from merchantry.domain import entries
from merchantry.domain import order as rules
from merchantry.domain.act import Act
from merchantry.domain.commission import LineCommission, LineToRate
from merchantry.domain.errors import OrderTransitionRefused
from merchantry.domain.ledger import EntryKind, Json
from merchantry.domain.order import OrderAct, OrderStatus
from merchantry.domain.settlement import local_day, period_at
from merchantry.domain.split import LineSplit, OrderSplit, divide_order
from merchantry.services import audit, ledger, order, queue, totals
from merchantry.services.order import Line, Order
from merchantry.services.queue import JobKind
from merchantry.services.terms import Terms
from merchantry.services.totals import LineFigures
from merchantry.tables.merchant import orders, refund, split_line
from tenancy.database import MerchantSession
from tenancy.writes import Changed, New, write


def divide(found: Order, terms: Terms) -> OrderSplit:
    """The split of an order under the plan in force: pure, nothing is written."""
    return divide_order(terms.plan, [(line.id, _rated_line(line, found, terms)) for line in found.lines]).split


def _rated_line(line: Line, found: Order, terms: Terms) -> LineToRate:
    return LineToRate(
        merchant=terms.slug,
        merchant_category=terms.category,
        product_category=line.category,
        currency=found.currency,
        quantity=line.quantity,
        goods_minor=line.goods_minor,
        shipping_minor=line.shipping_minor,
    )


async def capture(session: MerchantSession, order_id: UUID, terms: Terms, act: Act) -> Order:
    """The buyer's money is in: split it by the plan in force, freeze that on the lines, book it."""
    found = await order.load(session, order_id)
    state = rules.pay(found.state)
    split = divide(found, terms)
    details: dict[str, Json] = {
        "number": found.number,
        "plan": terms.plan.name,
        "plan_version": terms.plan_version,
    }
    entry = entries.capture(order_id, split, occurred_at=act.at, details=details)
    seq = await ledger.book(session, entry, act, entries.platform_side(entry, earned=False))
    lines = [
        LineFigures(
            line.category,
            {
                "goods_minor": part.goods_minor,
                "shipping_minor": part.shipping_minor,
                "commission_minor": part.commission_minor,
            },
        )
        for line, part in zip(found.lines, split.lines, strict=True)
    ]
    await totals.add_to_day(session, local_day(act.at, terms.mall_zone), split.currency, lines, orders=1)
    return await order.move(
        session,
        found,
        state,
        OrderAct.PAY,
        act,
        {"commission_minor": split.commission_minor},
        *(New(split_line, _frozen(line, order_id, terms)) for line in split.lines),
        captured_at=act.at,
        capture_seq=seq,
        commission_minor=split.commission_minor,
        hold_days=terms.plan.hold_days,
    )


def _frozen(line: LineSplit, order_id: UUID, terms: Terms) -> dict[str, Any]:
    rated = line.commission
    return {
        "order_line_id": line.id,
        "order_id": order_id,
        "plan": terms.plan.name,
        "plan_version": terms.plan_version,
        "rule": rated.rule,
        "base_minor": rated.base_minor,
        "rate_bps": rated.rate_bps,
        "rate_part_minor": rated.rate_part_minor,
        "fixed_minor": rated.fixed_minor,
        "bound": rated.bound,
        "commission_minor": line.commission_minor,
        "merchant_minor": line.merchant_minor,
    }


async def release(session: MerchantSession, order_id: UUID | Order, terms: Terms, act: Act) -> bool:
    """The hold is over: what was pending is available, from the moment the hold ended. False where it was before."""
    found = await order.held(session, order_id)
    done = queue.done(session.merchant_id, JobKind.HOLD_RELEASE, found.id)
    if found.status is not OrderStatus.COMPLETED or found.available_at is not None or found.hold_ends_at is None:
        await write(session, done)
        return False
    at, earned = found.hold_ends_at, found.commission_minor or 0
    payable = found.total_minor - earned
    details: dict[str, Json] = {"number": found.number, "commission_minor": earned, "commission_tax_minor": 0}
    entry = entries.release(found.id, payable, found.currency, occurred_at=at, available_at=at, details=details)
    await ledger.book(session, entry, act, entries.platform_release(earned, found.currency))
    period = period_at(at, terms.schedules)
    await totals.add_to_period(session, local_day(at, terms.mall_zone), period, found.currency, payable)
    seq = found.events + 1
    await write(
        session,
        Changed(orders, {"id": found.id}, {"available_at": at, "events": seq}),
        order.event(found.id, seq, "release", replace(act, at=at), {"payable_minor": payable}),
        audit.event(
            session,
            session.merchant_id,
            replace(act, at=at),
            "split.release",
            str(found.id),
            None,
            {"payable_minor": payable},
        ),
        done,
    )
    return True


async def cancel(session: MerchantSession, order_id: UUID, terms: Terms, reason: str, act: Act) -> UUID | None:
    """Call a paid order off before anything has shipped: stock is freed, all of its money owed back to the buyer.

    Returns the refund's id, None where nothing was paid; the worker sends it. Raises OrderTransitionRefused where the
    order is not paid or has begun to ship.
    """
    found = await order.load(session, order_id)
    if found.capture_seq is None:
        raise OrderTransitionRefused(status=found.status, act=OrderAct.CANCEL)
    state = rules.cancel(found.state)
    await order.free_stock(session, found)
    refund_id = await _refund(session, found, terms, reason, act) if found.total_minor else None
    details = {"reason": reason, **({"refund": str(refund_id)} if refund_id else {})}
    await order.move(session, found, state, OrderAct.CANCEL, act, details, cancelled_at=act.at)
    return refund_id


async def _refund(session: MerchantSession, found: Order, terms: Terms, reason: str, act: Act) -> UUID:
    """Owe the buyer all of an order back, each party its part, from the stored entry."""
    refund_id, returned = uuid4(), found.commission_minor or 0
    captured = await ledger.entry_of(session, found.capture_seq or 0)
    details = {"refund": str(refund_id)}
    entry = entries.refund(captured.entry, captured.seq, occurred_at=act.at, details=details)
    seq = await ledger.book(session, entry, act, entries.platform_side(entry, earned=False))
    parts = await lines_of(session, [found.id])
    lines = [
        LineFigures(
            line.category,
            {
                "refunds_minor": line.goods_minor + line.shipping_minor,
                "commission_returned_minor": parts[line.id].commission.commission_minor,
            },
        )
        for line in found.lines
    ]
    await totals.add_to_day(session, local_day(act.at, terms.mall_zone), found.currency, lines, orders=0)
    await session.execute(
        insert(refund).values(
            id=refund_id,
            order_id=found.id,
            currency=found.currency,
            amount_minor=found.total_minor,
            commission_minor=returned,
            reason=reason,
            status="pending",
            entry_seq=seq,
            occurred_at=act.at,
        )
    )
    await queue.enqueue(session, session.merchant_id, JobKind.REFUND_SEND, refund_id, act.at)
    return refund_id


async def refund_sent(session: MerchantSession, refund_id: UUID, act: Act) -> bool:
    """The provider confirmed a refund. False where it was confirmed before."""
    row = (await session.execute(select(refund).where(refund.c.id == refund_id).with_for_update())).one()
    await queue.dequeue(session, session.merchant_id, JobKind.REFUND_SEND, refund_id)
    if row.status == "sent":
        return False
    entry = entries.move(
        EntryKind.REFUND_SENT,
        row.amount_minor,
        row.currency,
        occurred_at=act.at,
        details={},
        order_id=row.order_id,
    )
    await ledger.book(session, entry, act)
    before, after = {"status": "pending"}, {"status": "sent", "amount_minor": row.amount_minor}
    await write(
        session,
        Changed(refund, {"id": refund_id}, {"status": "sent", "sent_at": act.at}),
        audit.event(session, session.merchant_id, act, "refund.send", str(refund_id), before, after),
    )
    return True


@dataclass(frozen=True, slots=True)
class FrozenLine:
    """How one line's money was divided, as it was frozen at capture."""

    order_line_id: UUID
    order_id: UUID
    plan: str
    plan_version: int
    commission: LineCommission
    merchant_minor: int


async def lines_of(session: MerchantSession, order_ids: Sequence[UUID]) -> Mapping[UUID, FrozenLine]:
    """The frozen splits of several orders, by order line."""
    rows = await session.execute(select(split_line).where(split_line.c.order_id == func.any(list(order_ids))))
    return {row.order_line_id: _thawed(row) for row in rows}


def _thawed(row: Any) -> FrozenLine:
    rated = LineCommission(
        rule=row.rule,
        base_minor=row.base_minor,
        rate_bps=row.rate_bps,
        rate_part_minor=row.rate_part_minor,
        fixed_minor=row.fixed_minor,
        bound=row.bound,
        commission_minor=row.commission_minor,
    )
    return FrozenLine(row.order_line_id, row.order_id, row.plan, row.plan_version, rated, row.merchant_minor)
