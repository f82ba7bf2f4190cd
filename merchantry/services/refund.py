"""Refunds: what is owed back to a buyer, taken back from each party in the same transaction.

The payment's row is locked first, then the merchant's order: so two refunds of one payment wait for each other, and the
second finds what is left. The CHECKs on payment, tenders and order are the last judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from sqlalchemy import insert

from merchantry.domain import entries, refund_entries
from merchantry.domain import order as order_rules
from merchantry.domain import refund as rules
from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound, OrderTransitionRefused
from merchantry.domain.event import EventKind
from merchantry.domain.ledger import EntryKind, Json
from merchantry.domain.order import OrderAct, OrderState, OrderStatus
from merchantry.domain.refund import Asked, RefundKind, RefundPart
from merchantry.domain.review import RuleSubject, Verdict
from merchantry.domain.settlement import local_day
from merchantry.services import (
    audit,
    commission,
    ledger,
    order,
    outbox,
    queue,
    reversal,
    review,
    review_case,
    review_hold,
    split,
    tender,
)
from merchantry.services.order import Order
from merchantry.services.payment import ELSEWHERE
from merchantry.services.queue import JobKind
from merchantry.services.reversal import Ground
from merchantry.services.review_case import Reviewed
from merchantry.services.tender import Back, HeldPayment
from merchantry.services.terms import Terms, terms_of
from merchantry.tables.merchant import refund
from tenancy.database import MerchantSession, Transaction
from tenancy.writes import write

RELEASES = "system:release"
"""The actor of a release that was due when a refund came, and that no worker had booked yet."""


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund to be: of what is asked, or of everything that is left.

    ``restock`` puts pieces that came back on hand again. ``tenders`` are positions of tenders that get their money
    first.
    """

    order_id: UUID
    reason: str
    asked: Asked | None = None
    kind: RefundKind = RefundKind.REFUND
    restock: bool = False
    tenders: Sequence[int] = ()
    return_id: UUID | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Planned:
    """A refund as it was decided on: nothing is written yet."""

    new: NewRefund
    found: Order
    parts: tuple[RefundPart, ...]
    state: OrderState
    is_whole: bool
    ground: Ground

    @property
    def amount_minor(self) -> int:
        """What the buyer gets."""
        return sum(part.refunded.total_minor for part in self.parts)


async def create(tx: Transaction, merchant_id: UUID, new: NewRefund, act: Act, *, is_approved: bool = False) -> UUID:
    """Owe the buyer money back; the worker sends it. Returns the refund's id.

    It follows from something that is decided already, so review rules only flag it; one that people have approved was
    judged when it was asked for.

    Raises NotFound, OrderTransitionRefused for an order that is unpaid, cancelled or refunded, and what
    `domain.refund.divide` and `domain.tender.backwards` raise.
    """
    held, ground = await prepare(tx, merchant_id, new.order_id, act)
    async with tx.as_merchant(merchant_id) as session:
        planned = await plan(session, new, ground, act)
        verdicts = () if is_approved else await judged(session, planned, act)
        back = await book(session, planned, held, act)
    await count(tx, held, back)
    await ask_people(tx, merchant_id, planned, verdicts, act)
    return new.id


async def plan(session: MerchantSession, new: NewRefund, ground: Ground, act: Act) -> Planned:
    """Lock the order and decide what the refund comes to. Raises as :func:`create`."""
    found = await caught_up(session, new.order_id, ground.terms, act)
    if found.capture_seq is None:
        raise OrderTransitionRefused(status=found.status, act=OrderAct.REFUND)
    order_rules.refund(found.state, {}, is_whole=False)  # refuses what can't be refunded, before what for is looked at
    lines = await reversal.lines_of(session, found)
    parts = rules.divide(found.currency, lines, new.asked or rules.everything(lines))
    is_whole = rules.is_whole(lines, parts)
    state = order_rules.refund(found.state, {part.line.id: part.pieces for part in parts}, is_whole=is_whole)
    planned = Planned(new, found, parts, state, is_whole, ground)
    if not planned.amount_minor:
        raise InvalidInput(reason="Nothing was paid for this, so nothing can be refunded.")
    return planned


async def cancel(tx: Transaction, merchant_id: UUID, order_id: UUID, reason: str, act: Act) -> UUID | None:
    """Call a paid order off before anything has shipped: stock is freed, all that is left of its money owed back.

    Returns the refund's id, None where nothing is owed. Raises NotFound, OrderTransitionRefused where the order is not
    paid or has begun to ship.
    """
    held, ground = await prepare(tx, merchant_id, order_id, act)
    async with tx.as_merchant(merchant_id) as session:
        found = await order.load(session, order_id)
        if found.capture_seq is None:
            raise OrderTransitionRefused(status=found.status, act=OrderAct.CANCEL)
        called_off = order_rules.cancel(found.state)
        lines = await reversal.lines_of(session, found)
        parts = rules.divide(found.currency, lines, rules.everything(lines))
        pieces = order_rules.refund(found.state, {part.line.id: part.pieces for part in parts}, is_whole=True)
        new = NewRefund(order_id, reason, kind=RefundKind.CANCELLATION)
        planned = Planned(new, found, parts, replace(called_off, lines=pieces.lines), True, ground)
        verdicts = await judged(session, planned, act) if planned.amount_minor else ()
        back = await book(session, planned, held, act)
    await count(tx, held, back)
    await ask_people(tx, merchant_id, planned, verdicts, act)
    return new.id if planned.amount_minor else None


async def judged(session: MerchantSession, planned: Planned, act: Act) -> tuple[Verdict, ...]:
    """What the review rules make of a refund before it is booked; written with the order's story."""
    terms, found = planned.ground.terms, planned.found
    rules_of_refund, version = review.rules_for(terms.rules, terms.slug, terms.category, RuleSubject.REFUND)
    if not rules_of_refund:
        return ()
    day = local_day(act.at, terms.mall_zone)
    amount = planned.amount_minor
    verdicts = await review.of_refund(session, found.currency, amount, day, rules_of_refund, version)
    await write(session, *review.written(verdicts, found.id, planned.new.id, act))
    return verdicts


async def ask_people(
    tx: Transaction, merchant_id: UUID, planned: Planned, verdicts: tuple[Verdict, ...], act: Act
) -> None:
    """Have people look at a refund that is booked, where a rule did not let it pass."""
    found = planned.found
    about = Reviewed(
        merchant_id,
        RuleSubject.REFUND,
        f"{found.id} {planned.new.id}",
        f"of {found.number}",
        verdicts,
        found.currency,
        planned.amount_minor,
        [act.actor],
    )
    await review_case.ask_people_of(tx, [about], act)


async def prepare(tx: Transaction, merchant_id: UUID, order_id: UUID, act: Act) -> tuple[HeldPayment | None, Ground]:
    """The order's payment, locked, and what its reversal rests on: what every refund begins with."""
    async with tx.as_platform() as platform:
        held = await tender.hold(platform, merchant_id, order_id)
        known = await terms_of(platform, [merchant_id], act.at)
        if merchant_id not in known:
            raise NotFound(what="order", path=("order_id",))
        terms = known[merchant_id]
    async with tx.as_merchant(merchant_id) as session:
        tiered = await reversal.tiered_versions(session, order_id)
    if not tiered:
        return held, Ground(terms, {})
    async with tx.as_platform() as platform:
        rated_by = await commission.versions_of(platform, tiered)
    tiers = {
        (each.name, each.version): {
            rule.name: rule.terms.tiers for rule in each.plan.rules if rule.terms.tiers is not None
        }
        for each in rated_by
    }
    return held, Ground(terms, tiers)


async def count(tx: Transaction, held: HeldPayment | None, back: Sequence[Back]) -> None:
    """Count what goes back on the payment and its tenders: what every refund ends with."""
    if held is not None and back:
        async with tx.as_platform() as platform:
            await tender.refunded(platform, held, back)


async def caught_up(session: MerchantSession, order_id: UUID, terms: Terms, act: Act) -> Order:
    """The order, locked, and released where its hold is over: whether a worker was there makes no difference."""
    found = await order.load(session, order_id)
    due = found.hold_ends_at
    if due is None or due > act.at or found.available_at is not None or found.open_disputes:
        return found
    await split.release(session, found, terms, Act(RELEASES, due, act.booked_at))
    return await order.load(session, order_id)


async def book(session: MerchantSession, planned: Planned, held: HeldPayment | None, act: Act) -> tuple[Back, ...]:
    """Write a refund that was decided on; what goes back to which tender is to be counted by the platform."""
    new, found, parts = planned.new, planned.found, planned.parts
    back = tender.shared(held, planned.amount_minor, found.currency, new.tenders)
    await _move_stock(session, planned)
    sale = reversal.sale_of(found)
    details = {"refund": str(new.id), **reversal.details_of(found, parts)}
    entry = refund_entries.refund(sale, rules.total_of(parts), occurred_at=act.at, details=details)
    seq = await reversal.book(session, found, entry, parts, planned.ground, act)
    if planned.amount_minor:
        offline = held is None or held.provider == ELSEWHERE or sale.collected
        await _owe(session, planned, back, seq, act, is_offline=offline)
        if offline and not sale.collected:
            await book_sent(session, new.id, found.id, planned.amount_minor, found.currency, act)
    moved = await _move_order(session, planned, act)
    if planned.is_whole:
        await split.release_rest(session, moved, planned.ground.terms, act)
        if review_hold.is_kept_back(moved):
            await review_hold.end(session, moved, act)
    return back


async def _move_stock(session: MerchantSession, planned: Planned) -> None:
    """Pieces that never leave can be sold again, and so can those that came back where that was asked for."""
    if freed := {part.line.id: part.pieces.cancelled for part in planned.parts if part.pieces.cancelled}:
        await order.free_stock(session, planned.found, freed)
    if planned.new.restock:
        back = {part.line.id: part.pieces.quantity - part.pieces.cancelled for part in planned.parts}
        await order.restock(session, planned.found, {line_id: number for line_id, number in back.items() if number})


async def _move_order(session: MerchantSession, planned: Planned, act: Act) -> Order:
    new, found, state = planned.new, planned.found, planned.state
    is_cancelled = state.status is OrderStatus.CANCELLED
    details: dict[str, Json] = {"reason": new.reason}
    if planned.amount_minor:
        details |= {"refund": str(new.id), "amount_minor": planned.amount_minor}
    moved = await order.move(
        session,
        found,
        state,
        OrderAct.CANCEL if is_cancelled else OrderAct.REFUND,
        act,
        details,
        refunded_minor=found.refunded_minor + planned.amount_minor,
        **({"cancelled_at": act.at} if is_cancelled else {}),
    )
    return await order.after_refund(session, moved, found.status, act)


async def _owe(
    session: MerchantSession, planned: Planned, back: Sequence[Back], seq: int, act: Act, *, is_offline: bool
) -> None:
    """The refund's row, and the job that sends it. One that somebody else pays back is done with at once."""
    new, parts = planned.new, planned.parts
    parties = {"lines": [reversal.document(part) for part in parts], "tenders": [each.document() for each in back]}
    row = {
        "id": new.id,
        "order_id": new.order_id,
        "kind": new.kind,
        "currency": planned.found.currency,
        "amount_minor": planned.amount_minor,
        "commission_minor": sum(part.reversal.commission_minor for part in parts),
        "merchant_minor": sum(part.reversal.merchant_minor for part in parts),
        **reversal.columns(parts),
        "parties": parties,
        "return_id": new.return_id,
        "restocked": new.restock,
        "reason": new.reason,
        "requested_by": act.actor_seen_by_merchant,
        "status": "offline" if is_offline else "pending",
        "entry_seq": seq,
        "occurred_at": act.at,
        "sent_at": act.at if is_offline else None,
    }
    await session.execute(insert(refund).values(row))
    after = {"order": str(new.order_id), "amount_minor": planned.amount_minor, "reason": new.reason}
    facts = {"refund": new.id, "order": new.order_id, "amount_minor": planned.amount_minor, "status": row["status"]}
    await write(
        session,
        audit.event(session, session.merchant_id, act, "refund.create", str(new.id), None, after),
        *outbox.published(session, EventKind.REFUND_REQUESTED, facts, act),
    )
    if not is_offline:
        await queue.enqueue(session, session.merchant_id, JobKind.REFUND_SEND, new.id, act.at)


async def book_sent(
    session: MerchantSession, refund_id: UUID, order_id: UUID, amount_minor: int, currency: str, act: Act
) -> int:
    """The buyer has the money of a refund: it is owed no longer."""
    entry = entries.move(
        EntryKind.REFUND_SENT,
        amount_minor,
        currency,
        occurred_at=act.at,
        details={"refund": str(refund_id)},
        order_id=order_id,
    )
    return await ledger.book(session, entry, act)
