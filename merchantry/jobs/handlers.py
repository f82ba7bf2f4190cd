"""What each kind of job does. Business time is when the work was due, so hours without a worker change no number."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError, OrderTransitionRefused
from merchantry.gateways.payment import ChargeStatus, Outcome, PaymentGateway
from merchantry.services import checkout, order, payment, queue, split
from merchantry.services.queue import JobKind
from merchantry.services.refund import RefundToSend, refund_to_send
from merchantry.services.terms import terms_of
from tenancy.database import Database, Transaction

ACTOR = "system:worker"


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    merchant_id: UUID
    kind: JobKind
    subject_id: UUID
    due_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Tools:
    """What handlers work with."""

    database: Database
    gateway: PaymentGateway
    clock: Callable[[], datetime]


async def checkout_expire(tools: Tools, job: Job) -> None:
    """An unpaid checkout: its open payment is given up at the provider first; what it captured meanwhile counts."""
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        pending = await payment.open_payment_of(session, job.subject_id)
    if pending:
        outcome = await _asked(tools.gateway.cancel(pending.id))
        now = Act(ACTOR, tools.clock(), tools.clock())
        settled = await tools.database.run(ACTOR, lambda tx: payment.settle(tx, pending.id, outcome, now))
        if settled.status in checkout.OPEN:
            raise StillOpen(f"payment {pending.id} is {settled.status}")
    act = Act(ACTOR, job.due_at, tools.clock())
    await tools.database.run(ACTOR, lambda tx: checkout.expire(tx, job.subject_id, act))


async def payment_poll(tools: Tools, job: Job) -> None:
    """Ask what became of a payment that had no definite answer."""
    outcome = await _asked(tools.gateway.find(job.subject_id))
    now = Act(ACTOR, tools.clock(), tools.clock())
    await tools.database.run(ACTOR, lambda tx: payment.settle(tx, job.subject_id, outcome, now))


async def order_complete(tools: Tools, job: Job) -> None:
    """The days after delivery or shipping are over."""
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_merchant(job.merchant_id) as session:
            try:
                await order.complete(session, job.subject_id, act)
            except OrderTransitionRefused:  # completed, cancelled or refunded by somebody meanwhile
                await queue.dequeue(session, job.merchant_id, job.kind, job.subject_id)

    await tools.database.run(ACTOR, work)


async def hold_release(tools: Tools, job: Job) -> None:
    """The hold is over."""
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as platform:
            terms = (await terms_of(platform, [job.merchant_id], act.at))[job.merchant_id]
        async with tx.as_merchant(job.merchant_id) as session:
            await split.release(session, job.subject_id, terms, act)

    await tools.database.run(ACTOR, work)


async def refund_send(tools: Tools, job: Job) -> None:
    """Ask the provider to send a refund, under the refund's id for ever; book it once it is confirmed."""
    found: RefundToSend = await refund_to_send(tools.database, ACTOR, job.merchant_id, job.subject_id)
    if found.amount_minor:
        outcome = await _asked(tools.gateway.refund(job.subject_id, found.charge_key, found.amount_minor))
        if outcome.status is not ChargeStatus.CAPTURED:
            raise StillOpen(f"refund {job.subject_id} is {outcome.status}: {outcome.reason}")
    now = Act(ACTOR, tools.clock(), tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_merchant(job.merchant_id) as session:
            await split.refund_sent(session, job.subject_id, now)

    await tools.database.run(ACTOR, work)


class StillOpen(Exception):
    """The provider has given no definite answer; the job is tried again later."""


async def _asked(call: Awaitable[Outcome]) -> Outcome:
    """A provider that can't be reached has not said no."""
    try:
        return await call
    except (OSError, TimeoutError) as error:
        return Outcome(ChargeStatus.UNKNOWN, reason=type(error).__name__)


HANDLERS: dict[JobKind, Callable[[Tools, Job], Awaitable[None]]] = {
    JobKind.CHECKOUT_EXPIRE: checkout_expire,
    JobKind.PAYMENT_POLL: payment_poll,
    JobKind.ORDER_COMPLETE: order_complete,
    JobKind.HOLD_RELEASE: hold_release,
    JobKind.REFUND_SEND: refund_send,
}

EXPECTED = (MarketError, StillOpen)
