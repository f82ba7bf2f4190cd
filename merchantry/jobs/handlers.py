"""What each kind of job does. Business time is when the work was due, so hours without a worker change no number."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError, OrderTransitionRefused, ReturnRefused
from merchantry.gateways.payment import ChargeStatus, Outcome, asked
from merchantry.jobs import backing_up, erasure, payouts, reports, settling
from merchantry.jobs.tools import ACTOR, Job, StillOpen, Tools
from merchantry.services import (
    chargeback_case,
    checkout,
    late_payment,
    order,
    payment,
    queue,
    refund_sending,
    return_request,
    review_case,
    ship_by,
    split,
    vocabulary,
)
from merchantry.services.queue import JobKind
from merchantry.services.refund_sending import refund_to_send
from merchantry.services.terms import terms_of
from tenancy.database import MerchantSession, Transaction

GIVE_UP_AFTER = timedelta(minutes=2)
"""How long a payment may have been on its way to a provider that has not heard of it."""

log = structlog.get_logger()


async def checkout_expire(tools: Tools, job: Job) -> None:
    """An unpaid checkout: its open payment is given up at the provider first; what it captured meanwhile counts."""
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        pending = await payment.open_payment_of(session, job.subject_id)
    if pending:
        outcome = await asked(tools.gateway.cancel(pending.id))
        now = Act(ACTOR, tools.clock(), tools.clock())
        settled = await tools.database.run(ACTOR, lambda tx: payment.settle(tx, pending.id, outcome, now))
        if settled.status in checkout.OPEN:
            raise StillOpen(f"payment {pending.id} is {settled.status}")
    act = Act(ACTOR, job.due_at, tools.clock())
    await tools.database.run(ACTOR, lambda tx: checkout.expire(tx, job.subject_id, act))


async def payment_poll(tools: Tools, job: Job) -> None:
    """Ask what became of a payment that had no definite answer; one that never reached the provider is given up."""
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        pending = await payment.find(session, job.subject_id)
    outcome = await asked(tools.gateway.find(job.subject_id))
    if outcome.status is ChargeStatus.UNKNOWN and tools.clock() - pending.created_at > GIVE_UP_AFTER:
        outcome = await asked(tools.gateway.cancel(job.subject_id))
    now = Act(ACTOR, tools.clock(), tools.clock())
    await tools.database.run(ACTOR, lambda tx: payment.settle(tx, job.subject_id, outcome, now))


async def payment_give_back(tools: Tools, job: Job) -> None:
    """Money came in for a payment that had ended: it goes back, however often the provider has to be asked."""
    found = await late_payment.to_give_back(tools.database, ACTOR, job.subject_id)
    if found is None:
        return
    asking = tools.gateway.refund(found.key, job.subject_id, found.amount_minor, found.tenders)
    outcome = await asked(asking)
    now = Act(ACTOR, tools.clock(), tools.clock())
    if not await tools.database.run(ACTOR, lambda tx: late_payment.hear(tx, job.subject_id, found, outcome, now)):
        raise StillOpen(f"late payment {job.subject_id} is not given back: {outcome.status} {outcome.reason}")


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


async def order_overdue(tools: Tools, job: Job) -> None:
    """An order was to be shipped by now."""
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> bool:
        async with tx.as_merchant(job.merchant_id) as session:
            is_overdue = await ship_by.flag(session, job.subject_id, act)
            await queue.finished(session, job.merchant_id, job.kind, job.subject_id, job.due_at)
            return is_overdue

    if await tools.database.run(ACTOR, work):
        log.warning("order.overdue", merchant=str(job.merchant_id), order=str(job.subject_id))


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
    """Ask the provider to send a refund, under its attempt's key for ever; book it once it is confirmed."""
    found = await refund_to_send(tools.database, ACTOR, job.merchant_id, job.subject_id)
    outcome, attempt = Outcome(ChargeStatus.UNKNOWN), 1
    if found is not None:
        attempt = found.attempt
        asking = tools.gateway.refund(found.key, found.charge_key, found.amount_minor, found.tenders)
        outcome = await asked(asking)
    now = Act(ACTOR, tools.clock(), tools.clock())

    async def work(tx: Transaction) -> str:
        return await refund_sending.hear(tx, job.merchant_id, job.subject_id, outcome, now, attempt=attempt)

    if await tools.database.run(ACTOR, work) in refund_sending.OPEN:
        raise StillOpen(f"refund {job.subject_id} is {outcome.status}: {outcome.reason}")


async def return_decide(tools: Tools, job: Job) -> None:
    """The merchant has not answered a buyer who wants to return something: silence approves."""

    async def approve(session: MerchantSession, act: Act) -> None:
        await return_request.approve(session, job.subject_id, None, act)

    await _return_step(tools, job, approve)


async def return_expire(tools: Tools, job: Job) -> None:
    """The buyer has not sent what may be returned."""

    async def expire(session: MerchantSession, act: Act) -> None:
        await return_request.expire(session, job.subject_id, act)

    await _return_step(tools, job, expire)


async def chargeback_respond(tools: Tools, job: Job) -> None:
    """A bank's deadline to answer a chargeback has passed; people see it on the case, and operators in the log."""
    act = Act(ACTOR, job.due_at, tools.clock())
    if await tools.database.run(ACTOR, lambda tx: chargeback_case.remind(tx, job.merchant_id, job.subject_id, act)):
        log.warning("chargeback.overdue", chargeback=str(job.subject_id), respond_by=job.due_at.isoformat())


async def _return_step(tools: Tools, job: Job, step: Callable[[MerchantSession, Act], Awaitable[None]]) -> None:
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_merchant(job.merchant_id) as session:
            try:
                await step(session, act)
            except ReturnRefused:  # somebody was faster
                await queue.dequeue(session, job.merchant_id, job.kind, job.subject_id)

    await tools.database.run(ACTOR, work)


async def case_overdue(tools: Tools, job: Job) -> None:
    """The time that people had for a case is over."""
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await review_case.overdue(session, job.merchant_id, job.subject_id, act)

    await tools.database.run(ACTOR, work)


async def search_learn(tools: Tools, job: Job) -> None:
    """A merchant's listings have changed: their new words are what mistyped ones are corrected to."""

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await vocabulary.learn(session, job.merchant_id)
            await queue.finished(session, job.merchant_id, JobKind.SEARCH_LEARN, job.merchant_id, job.due_at)

    await tools.database.run(ACTOR, work)


HANDLERS: dict[JobKind, Callable[[Tools, Job], Awaitable[None]]] = {
    JobKind.CHECKOUT_EXPIRE: checkout_expire,
    JobKind.PAYMENT_POLL: payment_poll,
    JobKind.PAYMENT_GIVE_BACK: payment_give_back,
    JobKind.ORDER_OVERDUE: order_overdue,
    JobKind.ORDER_COMPLETE: order_complete,
    JobKind.HOLD_RELEASE: hold_release,
    JobKind.REFUND_SEND: refund_send,
    JobKind.RETURN_DECIDE: return_decide,
    JobKind.RETURN_EXPIRE: return_expire,
    JobKind.CHARGEBACK_RESPOND: chargeback_respond,
    JobKind.STATEMENT_ACCEPT: settling.statement_accept,
    JobKind.RESERVE_RELEASE: settling.reserve_release,
    JobKind.SETTLEMENT_RUN: settling.run_asked_for,
    JobKind.PAYOUT_SEND: payouts.send,
    JobKind.PAYOUT_POLL: payouts.poll,
    JobKind.PAYOUT_BATCH: payouts.send_batches,
    JobKind.CASE_OVERDUE: case_overdue,
    JobKind.REPORT_PRODUCE: reports.produce,
    JobKind.REPORT_FORGET: reports.forget,
    JobKind.BACKUP_TAKE: backing_up.back_up,
    JobKind.RESTORE_FINISH: backing_up.restore_finish,
    JobKind.BUYER_ERASE: erasure.buyer_erase,
    JobKind.SEARCH_LEARN: search_learn,
}

EXPECTED = (MarketError, StillOpen)
