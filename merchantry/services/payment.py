"""Paying a checkout: write what will be asked, commit, ask the provider, then write what it answered.

No answer is not a refusal: such a payment stays in processing, keeps its checkout from expiring, and is asked for
again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, select

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, MixedCurrencies, NotFound, PaymentNotPossible, TendersMismatch
from merchantry.domain.review import RuleSubject
from merchantry.domain.worded import Worded
from merchantry.gateways.payment import ActionKind, Charge, ChargeStatus, Outcome, PaymentGateway, Tender
from merchantry.services import audit, checkout, late_payment, order, queue, review, review_case, split
from merchantry.services.queue import JobKind
from merchantry.services.review import UNKNOWN_BUYER, BuyerFacts
from merchantry.services.review_case import Reviewed
from merchantry.services.terms import Terms, terms_of
from merchantry.tables.platform import NOBODY, payment, tender
from merchantry.tables.platform import checkout as checkout_table
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, New, Write, write

POLL_AFTER = timedelta(seconds=10)
LONGEST_POLL = timedelta(minutes=10)
MAX_TENDERS = 10
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
LOCK = FIND.with_for_update()


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
    """Write down what the provider will be asked for; commit before asking. Raises what :func:`payable` raises."""
    async with tx.as_platform() as session:
        found = await payable(
            session, checkout_id, buyer_id, tenders, currencies=currencies, methods=gateway.methods, act=act
        )
        await record(session, found, tenders, payment_id=payment_id, provider=gateway.name, act=act)
        await queue.enqueue(session, NOBODY, JobKind.PAYMENT_POLL, payment_id, act.at + POLL_AFTER)
        after = {"checkout": str(checkout_id), "provider": gateway.name, "amount_minor": found.total_minor}
        await audit.record(session, NOBODY, act, "payment.begin", str(payment_id), None, after)
        return Charge(payment_id, found.currency, found.total_minor, tenders)


async def payable(
    session: PlatformSession,
    checkout_id: UUID,
    buyer_id: UUID,
    tenders: Sequence[Tender],
    *,
    currencies: Collection[str],
    methods: Collection[str],
    act: Act,
) -> checkout.Checkout:
    """The buyer's checkout, locked, which these tenders can pay.

    Raises NotFound, PaymentNotPossible (paid, expired, or another payment is open), InvalidInput, MixedCurrencies,
    TendersMismatch.
    """
    found = await checkout.locked(session, checkout_id, buyer_id)
    if found.status != "awaiting_payment" or found.expires_at <= act.at:
        status = found.status if found.status != "awaiting_payment" else "expired"
        raise PaymentNotPossible(status=status, path=("input", "checkoutId"))
    if await checkout.has_open_payment(session, checkout_id):
        raise PaymentNotPossible(status="processing", path=("input", "checkoutId"))
    if len(tenders) > MAX_TENDERS:
        raise InvalidInput(reason=Worded("Pay in at most {most} tenders.", most=MAX_TENDERS), path=("input", "tenders"))
    for position, each in enumerate(tenders):
        if each.method not in methods:
            known = ", ".join(sorted(methods))
            raise InvalidInput(
                reason=Worded("Pay with one of {known}.", known=known), path=("input", "tenders", position, "method")
            )
    if set(currencies) - {found.currency}:
        names = (found.currency, *sorted(set(currencies) - {found.currency}))
        raise MixedCurrencies(currencies=names, path=("input", "tenders"))
    given = sum(each.amount_minor for each in tenders)
    if given != found.total_minor or min((each.amount_minor for each in tenders), default=0) < 0:
        raise TendersMismatch(
            expected_minor=found.total_minor, given_minor=given, currency=found.currency, path=("input", "tenders")
        )
    return found


def charge_again(begun: Payment, tenders: Sequence[Tender]) -> Charge | None:
    """The charge of a payment that has no answer yet: asking again with its key takes the money once at most."""
    if begun.status != "processing":
        return None
    return Charge(begun.id, begun.currency, begun.amount_minor, tenders)


async def record(
    session: PlatformSession,
    found: checkout.Checkout,
    tenders: Sequence[Tender],
    *,
    payment_id: UUID,
    provider: str,
    act: Act,
) -> None:
    """Write a payment in processing, with its tenders."""
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
    await write(session, New(payment, row), *(New(tender, each) for each in tendered))


async def settle(tx: Transaction, payment_id: UUID, outcome: Outcome, act: Act) -> Payment:
    """Write what the provider answered. A capture splits every order of the checkout; repeating it changes nothing.

    A checkout with an open payment is never given up, so money that is captured in time finds its orders. What a
    provider captures of a payment that has ended goes back to its buyer.
    """
    async with tx.as_platform() as session:
        known = await find(session, payment_id)
        held = await checkout.locked(session, known.checkout_id)
        row = (await session.execute(LOCK, {"payment": payment_id})).one()
        status = STATUS_OF[outcome.status]
        if row.status not in checkout.OPEN:
            if status == "captured" and row.status != "captured" and row.late_at is None:
                await late_payment.note(session, payment_id, act)
                return await find(session, payment_id)
            return _payment(row)
        if status in checkout.OPEN:
            await _keep_asking(session, row, status, outcome, act)
            return await find(session, payment_id)
        settled = await _write(session, row, status, outcome, act, queue.done(NOBODY, JobKind.PAYMENT_POLL, payment_id))
    if status == "captured":
        await _captured(tx, held, act, at_the_door=row.provider == AT_THE_DOOR)
    return settled


async def _keep_asking(session: PlatformSession, row: Row[Any], status: str, outcome: Outcome, act: Act) -> None:
    wait = min(max(POLL_AFTER, act.booked_at - row.created_at), LONGEST_POLL)  # further and further apart
    await queue.enqueue(session, NOBODY, JobKind.PAYMENT_POLL, row.id, act.booked_at + wait)
    if status != row.status:
        await _write(session, row, status, outcome, act)


async def _write(
    session: PlatformSession, row: Row[Any], status: str, outcome: Outcome, act: Act, *beside: Write
) -> Payment:
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
    await write(
        session,
        Changed(payment, {"id": row.id}, {**changes, "provider_reference": outcome.reference}),
        audit.event(session, NOBODY, act, "payment.settle", str(row.id), before, after),
        *beside,
    )
    return replace(_payment(row), **changes)


async def _captured(tx: Transaction, held: checkout.Checkout, act: Act, *, at_the_door: bool) -> None:
    async with tx.as_platform() as session:
        await write(
            session,
            Changed(checkout_table, {"id": held.id}, {"status": "paid", "paid_at": act.at}),
            queue.done(NOBODY, JobKind.CHECKOUT_EXPIRE, held.id),
        )
        rows = await checkout.orders_of(session, [held.id])
        terms = await terms_of(session, {row.merchant_id for row in rows}, act.at)
        buyers = await _buyers_of(session, rows, terms)
    reviewed = []
    for row in rows:
        async with tx.as_merchant(row.merchant_id) as merchant_session:
            if at_the_door:
                await order.collect_at_the_door(merchant_session, row.order_id)
            buyer = buyers.get(row.order_id, UNKNOWN_BUYER)
            captured = await split.capture(merchant_session, row.order_id, terms[row.merchant_id], act, buyer)
            reviewed.append(_reviewed(row.merchant_id, captured, held, act))
    await review_case.ask_people_of(tx, reviewed, act)


async def _buyers_of(
    session: PlatformSession, rows: Sequence[Row[Any]], terms: Mapping[UUID, Terms]
) -> dict[UUID, BuyerFacts]:
    """What the review rules want to know of the buyer, by order; the same rules are in force for all of them."""
    rules = next((each.rules for each in terms.values()), None)
    merchants, orders = [row.merchant_id for row in rows], [row.order_id for row in rows]
    return await review.buyers_of(session, merchants, orders, rules)


def _reviewed(merchant_id: UUID, captured: split.Captured, held: checkout.Checkout, act: Act) -> Reviewed:
    """An order as it was judged. Its buyer may be one of those who decide on cases."""
    found = captured.order
    return Reviewed(
        merchant_id=merchant_id,
        subject=RuleSubject.ORDER,
        subject_id=str(found.id),
        name=found.number,
        verdicts=captured.verdicts,
        currency=found.currency,
        amount_minor=found.total_minor,
        parties=[f"buyer:{held.buyer_id}", act.actor],
    )


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
