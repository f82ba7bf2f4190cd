"""Paying a checkout: write what will be asked, commit, ask the provider, then write what it answered.

No answer is not a refusal: such a payment stays in processing, keeps its checkout from expiring, and is asked for
again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, select

from merchantry.domain.act import Act
from merchantry.domain.errors import NotFound, PaymentNotPossible
from merchantry.gateways.payment import ActionKind, Charge, ChargeStatus, Outcome, PaymentGateway, Tender
from merchantry.services import audit, capture, checkout, late_payment, order, payable, queue
from merchantry.services.idempotency import Request, claim_and_read
from merchantry.services.order import Order
from merchantry.services.payable import Offer
from merchantry.services.queue import JobKind
from merchantry.tables.platform import NOBODY, payment, tender
from merchantry.tables.platform import checkout as checkout_table
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, New, Write, later

POLL_AFTER = timedelta(seconds=10)
LONGEST_POLL = timedelta(minutes=10)
ELSEWHERE = "elsewhere"
"""The provider of payments that were taken by somebody else (an import): nothing can be asked of it."""

AT_THE_DOOR = "merchant"
"""The provider of payments that the merchants collect themselves: nothing is asked of anybody."""

STATUS_OF = {
    ChargeStatus.CAPTURED: "captured",
    ChargeStatus.PENDING: "processing",
    ChargeStatus.UNKNOWN: "processing",
    ChargeStatus.ACTION_REQUIRED: "action_required",
    ChargeStatus.DECLINED: "failed",
    ChargeStatus.CANCELLED: "expired",
}


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment of a checkout, with what its buyer has to do where something is: go to ``action_url``, or scan a code
    of ``action_qr``. ``late_at`` is when money came in after all for a payment that had ended; it goes back.
    """

    id: UUID
    checkout_id: UUID
    status: str
    currency: str
    amount_minor: int
    provider: str
    action_url: str | None
    action_qr: str | None
    action_expires_at: datetime | None
    failure: str | None
    created_at: datetime
    captured_at: datetime | None
    late_at: datetime | None
    given_back_at: datetime | None


PAYMENT_COLUMNS = [payment.c[name] for name in Payment.__slots__]

FIND = select(*PAYMENT_COLUMNS).where(payment.c.id == bindparam("payment"))
_held = (
    select(*checkout.CHECKOUT_COLUMNS)
    .where(
        checkout_table.c.id
        == select(payment.c.checkout_id).where(payment.c.id == bindparam("payment")).scalar_subquery()
    )
    .with_for_update()
    .cte("held")
)
LOCK_BOTH = (
    select(*PAYMENT_COLUMNS, *_held.c)
    .join(_held, _held.c.id == payment.c.checkout_id)
    .where(payment.c.id == bindparam("payment"))
    .with_for_update(of=payment)
)
"""The payment after its checkout: rows are locked once they are joined."""


async def begin(
    tx: Transaction,
    checkout_id: UUID,
    buyer_id: UUID,
    tenders: Sequence[Tender],
    *,
    currencies: Collection[str],
    payment_id: UUID,
    gateway: PaymentGateway,
    act: Act,
) -> Charge:
    """Write down what the provider will be asked for; commit before asking. Raises what `payable.lock` raises."""
    offer = Offer(tenders, currencies, gateway.methods)
    async with tx.as_platform() as session:
        found = await payable.lock(session, checkout_id, buyer_id, offer, act)
        return _begun(session, found, tenders, payment_id, gateway, act)


async def begin_once(
    tx: Transaction,
    checkout_id: UUID,
    buyer_id: UUID,
    tenders: Sequence[Tender],
    *,
    currencies: Collection[str],
    payment_id: UUID,
    gateway: PaymentGateway,
    request: Request,
    act: Act,
) -> "tuple[Payment | None, Charge | None]":
    """:func:`begin` under a key: the charge to ask for, or the payment that the same request began before, with its
    charge where that is to be asked for again. Raises what `idempotency.claim` raises, too."""
    offer = Offer(tenders, currencies, gateway.methods)
    async with tx.as_platform() as session:
        lock, given = checkout.LOCK_TO_PAY, {"checkout": checkout_id}
        first, row = await claim_and_read(session, NOBODY, act, request, payment_id, lock, given)
        if first:
            begun = await find(session, first)
            return begun, charge_again(begun, tenders)
        found = payable.from_row(row, buyer_id, offer, act)
        return None, _begun(session, found, tenders, payment_id, gateway, act)


def _begun(
    session: PlatformSession,
    found: checkout.Checkout,
    tenders: Sequence[Tender],
    payment_id: UUID,
    gateway: PaymentGateway,
    act: Act,
) -> Charge:
    poll = queue.asked(NOBODY, JobKind.PAYMENT_POLL, payment_id, act.at + POLL_AFTER)
    after = {"checkout": str(found.id), "provider": gateway.name, "amount_minor": found.total_minor}
    told = audit.event(session, NOBODY, act, "payment.begin", str(payment_id), None, after)
    record(session, found, tenders, poll, told, payment_id=payment_id, provider=gateway.name, act=act)
    return Charge(payment_id, found.currency, found.total_minor, tenders)


def charge_again(begun: Payment, tenders: Sequence[Tender]) -> Charge | None:
    """The charge of a payment that has no answer yet: asking again with its key takes the money once at most."""
    if begun.status != "processing":
        return None
    return Charge(begun.id, begun.currency, begun.amount_minor, tenders)


def record(
    session: PlatformSession,
    found: checkout.Checkout,
    tenders: Sequence[Tender],
    *beside: Write,
    payment_id: UUID,
    provider: str,
    act: Act,
) -> None:
    """Write a payment in processing, with its tenders and ``beside``, with whatever is sent next.

    PaymentNotPossible is raised there, where another payment of the checkout was begun while it was waited for.
    """
    row = {
        "id": payment_id,
        "checkout_id": found.id,
        "status": "processing",
        "currency": found.currency,
        "amount_minor": found.total_minor,
        "provider": provider,
        "created_at": act.at,
    }
    tendered = (
        {"payment_id": payment_id, "position": position, "method": each.method, "amount_minor": each.amount_minor}
        for position, each in enumerate(tenders)
    )
    refusal = PaymentNotPossible(status="processing", path=("input", "checkoutId"))
    writes = (New(payment, row), *(New(tender, each) for each in tendered), *beside)
    later(session, *writes, refused={order.UNIQUE_VIOLATION: refusal})


@dataclass(frozen=True, slots=True)
class Settled:
    """What a provider's answer came to: the payment, its checkout, and each order that was captured now, with its
    merchant."""

    payment: Payment
    checkout: checkout.Checkout
    orders: Sequence[tuple[UUID, Order]] = ()


async def settle(tx: Transaction, payment_id: UUID, outcome: Outcome, act: Act) -> Payment:
    """:func:`settled`, for whoever needs the payment alone."""
    return (await settled(tx, payment_id, outcome, act)).payment


async def settled(tx: Transaction, payment_id: UUID, outcome: Outcome, act: Act) -> Settled:
    """Write what the provider answered. A capture splits every order of the checkout; repeating it changes nothing.

    A checkout with an open payment is never given up, so money that is captured in time finds its orders. What a
    provider captures of a payment that has ended goes back to its buyer. Raises NotFound.
    """
    async with tx.as_platform() as session:
        row = (await session.execute(LOCK_BOTH, {"payment": payment_id})).one_or_none()
        if row is None:
            raise NotFound(what="payment")
        known, held = _payment(row), checkout.Checkout(*row[len(PAYMENT_COLUMNS) :])
        status = STATUS_OF[outcome.status]
        if known.status not in checkout.OPEN:
            if status == "captured" and known.status != "captured" and known.late_at is None:
                await late_payment.note(session, payment_id, act)
                known = await find(session, payment_id)
            return Settled(known, held)
        if status in checkout.OPEN:
            await _keep_asking(session, known, status, outcome, act)
            return Settled(await find(session, payment_id), held)
        polled = queue.done(NOBODY, JobKind.PAYMENT_POLL, payment_id)
        if status != "captured":
            return Settled(_write(session, known, status, outcome, act, polled), held)
        paid = replace(held, status="paid", paid_at=act.at)
        made = _write(session, known, status, outcome, act, polled, *_paid(paid))
        due = await capture.due(session, held.id, act)
    at_the_door = known.provider == AT_THE_DOOR
    return Settled(made, paid, await capture.all_of(tx, paid, due, act, at_the_door=at_the_door))


def _paid(held: checkout.Checkout) -> list[Write]:
    return [
        Changed(checkout_table, {"id": held.id}, {"status": held.status, "paid_at": held.paid_at}),
        queue.done(NOBODY, JobKind.CHECKOUT_EXPIRE, held.id),
    ]


async def _keep_asking(session: PlatformSession, row: Payment, status: str, outcome: Outcome, act: Act) -> None:
    wait = min(max(POLL_AFTER, act.booked_at - row.created_at), LONGEST_POLL)  # further and further apart
    await queue.enqueue(session, NOBODY, JobKind.PAYMENT_POLL, row.id, act.booked_at + wait)
    if status != row.status:
        _write(session, row, status, outcome, act)


def _write(session: PlatformSession, row: Payment, status: str, outcome: Outcome, act: Act, *beside: Write) -> Payment:
    action = outcome.action if status == "action_required" else None
    is_code = action is not None and action.kind is ActionKind.QR_CODE
    changes: dict[str, Any] = {
        "status": status,
        "action_url": action.value if action and not is_code else None,
        "action_qr": action.value if action and is_code else None,
        "action_expires_at": action.expires_at if action else None,
        "failure": outcome.reason if status in ("failed", "expired") else None,
        "captured_at": act.at if status == "captured" else None,
    }
    before, after = {"status": row.status}, {"status": status}
    later(
        session,
        Changed(payment, {"id": row.id}, {**changes, "provider_reference": outcome.reference}),
        audit.event(session, NOBODY, act, "payment.settle", str(row.id), before, after),
        *beside,
    )
    return replace(row, **changes)


async def find(session: PlatformSession, payment_id: UUID) -> Payment:
    """The payment. Raises NotFound."""
    row = (await session.execute(FIND, {"payment": payment_id})).one_or_none()
    if row is None:
        raise NotFound(what="payment")
    return Payment(**row._asdict())


async def open_payment_of(session: PlatformSession, checkout_id: UUID) -> Payment | None:
    """The checkout's payment that is still under way, if there is one."""
    statement = select(*PAYMENT_COLUMNS).where(
        payment.c.checkout_id == checkout_id, payment.c.status.in_(checkout.OPEN)
    )
    row = (await session.execute(statement)).one_or_none()
    return Payment(**row._asdict()) if row else None


async def captured_of(session: PlatformSession, checkout_id: UUID) -> Payment | None:
    """The payment that a checkout was paid with."""
    statement = select(*PAYMENT_COLUMNS).where(payment.c.checkout_id == checkout_id, payment.c.status == "captured")
    row = (await session.execute(statement)).one_or_none()
    return Payment(**row._asdict()) if row else None


async def of_checkouts(session: PlatformSession, checkout_ids: Sequence[UUID]) -> dict[UUID, list[Payment]]:
    """All payments of some checkouts, oldest first."""
    statement = select(*PAYMENT_COLUMNS).where(payment.c.checkout_id == func.any(list(checkout_ids)))
    found: dict[UUID, list[Payment]] = {}
    for row in await session.execute(statement.order_by(payment.c.created_at, payment.c.id)):
        found.setdefault(row.checkout_id, []).append(Payment(**row._asdict()))
    return found


def _payment(row: Row[Any]) -> Payment:
    return Payment(**{name: getattr(row, name) for name in Payment.__slots__})
