"""Jobs of payouts: what is to be asked is committed, then the provider is called, then what it said is booked.

Killed anywhere, a job is done again with the same keys, which moves the money once at most.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

import structlog

from merchantry.domain.act import Act
from merchantry.domain.payout import TransferState, Word
from merchantry.gateways.payout import (
    Answer,
    Batch,
    Instruction,
    PayoutGateway,
    RepeatDiffers,
    TransferStatus,
    asked,
    sent,
)
from merchantry.jobs.tools import ACTOR, Job, StillOpen, Tools
from merchantry.services import log_requirement, payee, payout, payout_batch, payout_outcome, queue
from merchantry.services.payout import Payout, Told, Transfer
from merchantry.services.payout_batch import BATCHED, BatchToSend
from merchantry.services.queue import JobKind
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

BATCH_JOBS = UUID("5f0c9f0a-6d0e-5a55-9b55-0d8f7f1f3c11")
"""The namespace of the jobs that gather a provider's batches: one for each."""

WORDS = {
    TransferStatus.ACCEPTED: Word.ACCEPTED,
    TransferStatus.PAID: Word.PAID,
    TransferStatus.REJECTED: Word.REJECTED,
    TransferStatus.RETURNED: Word.RETURNED,
    TransferStatus.UNKNOWN: Word.NOTHING,
    TransferStatus.NOT_FOUND: Word.NOTHING,
}

log = structlog.get_logger()


async def send(tools: Tools, job: Job) -> None:
    """Have a payout's transfers made, or put them into the next batch of a provider that takes files."""
    found, transfers = await _begun(tools, job)
    if transfers and found.provider not in BATCHED:
        await _ask(tools, found, transfers)

    if transfers and found.provider in BATCHED:
        await tools.database.run(ACTOR, lambda tx: _ask_for_batch(tx, found.provider, tools.clock()))
    await _finished(tools, job)


async def _ask_for_batch(tx: Transaction, provider: str, at: datetime) -> None:
    async with tx.as_platform() as session:
        await queue.enqueue(session, NOBODY, JobKind.PAYOUT_BATCH, batch_job(provider), at)


async def _begun(tools: Tools, job: Job) -> tuple[Payout, list[Transfer]]:
    async def work(tx: Transaction) -> tuple[Payout, list[Transfer]]:
        async with tx.as_merchant(job.merchant_id) as session:
            found = await payout.locked(session, job.subject_id)
            await payee.check_payable(session, found.payee_account_id)
            if not await log_requirement.is_met(session, await log_requirement.in_force(session), [found.entry_seq]):
                raise StillOpen(f"the entry of payout {found.number} is not as far in the public log as the mall asks")
            gateway = _gateway(tools, found.provider)
            transfers = await payout.begin(session, found.id, gateway.limit_minor(found.currency), _now(tools))
            if found.provider not in BATCHED:
                await payout.mark_asked(session, [each.key for each in transfers], _now(tools))
            return found, transfers

    return await tools.database.run(ACTOR, work)


async def _ask(tools: Tools, found: Payout, transfers: Sequence[Transfer]) -> bool:
    """Ask for transfers that are marked as asked; the answers are booked. False where people must look instead."""
    gateway = _gateway(tools, found.provider)
    async with tools.database.read(ACTOR) as tx, tx.as_merchant(found.merchant_id) as session:
        account = await payee.payee_of(session, tools.vault, found.payee_account_id)
    instructions = [
        Instruction(each.key, each.amount_minor, found.currency, account, each.reference) for each in transfers
    ]
    now = tools.clock()
    try:
        answers = await sent(gateway, instructions, Batch(found.id, now, found.currency, now.date()))
    except RepeatDiffers as error:
        log.exception("payout.repeat_differs", payout=found.number)
        await _differs(tools, found.merchant_id, found.id, str(error))
        return False
    for key, answer in answers.items():
        await hear(tools, found.merchant_id, key, answer)
    return True


async def _differs(tools: Tools, merchant_id: UUID, payout_id: UUID, reason: str) -> None:
    async def work(tx: Transaction) -> None:
        async with tx.as_merchant(merchant_id) as session:
            await payout.differs(session, payout_id, reason, _now(tools))

    await tools.database.run(ACTOR, work)


async def poll(tools: Tools, job: Job) -> None:
    """Ask what became of the transfers that have no final answer; what never arrived is asked for again.

    Providers that take files can't be asked: their reports and statements tell.
    """
    async with tools.database.read(ACTOR) as tx, tx.as_merchant(job.merchant_id) as session:
        found = await payout.find(session, job.subject_id)
        transfers = await payout.latest(session, job.subject_id)
    unfinished = (TransferState.ASKED, TransferState.ACCEPTED, TransferState.UNKNOWN)
    if found.provider not in BATCHED:
        for transfer in (each for each in transfers if each.status in unfinished):
            answer = await asked(_gateway(tools, found.provider).find(transfer.key))
            if answer.status is TransferStatus.NOT_FOUND:
                if not await _ask(tools, found, [transfer]):
                    break
            else:
                await hear(tools, job.merchant_id, transfer.key, answer)
    await _finished(tools, job)


async def _finished(tools: Tools, job: Job) -> None:
    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await queue.finished(session, job.merchant_id, job.kind, job.subject_id, job.due_at)

    await tools.database.run(ACTOR, work)


async def hear(tools: Tools, merchant_id: UUID, key: UUID, answer: Answer) -> None:
    """Book what a provider said of one transfer."""
    told = Told(WORDS[answer.status], answer.provider_reference, answer.reason)
    now = tools.clock()
    happened = _not_later(answer.occurred_at, now)

    await tools.database.run(
        ACTOR, lambda tx: payout_outcome.hear_from_provider(tx, merchant_id, key, told, Act(ACTOR, happened, now))
    )


async def send_batches(tools: Tools, job: Job) -> None:
    """Gather what waits for a provider that takes files, and send each batch; an older one goes unchanged."""
    provider = next(each for each in BATCHED if batch_job(each) == job.subject_id)
    gateway, now = _gateway(tools, provider), _now(tools)
    await tools.database.run(ACTOR, lambda tx: payout_batch.gather(tx, provider, now))
    async with tools.database.read(ACTOR) as tx:
        batches = await payout_batch.unsent(tx, provider, tools.vault)
    for each in batches:
        await _send_batch(tools, gateway, each)
    await _finished(tools, job)


def batch_job(provider: str) -> UUID:
    """What the job is called that gathers a provider's batches."""
    return uuid5(BATCH_JOBS, provider)


async def _send_batch(tools: Tools, gateway: PayoutGateway, each: BatchToSend) -> None:
    try:
        answers = await sent(gateway, [part.instruction for part in each.parts], each.batch)
    except RepeatDiffers as error:
        log.exception("payout.repeat_differs", batch=str(each.batch.id))
        for merchant_id, payout_id in await _payouts_of(tools, each):
            await _differs(tools, merchant_id, payout_id, str(error))
    else:
        silent = [key for key, answer in answers.items() if answer.status is TransferStatus.UNKNOWN]
        if silent:
            raise StillOpen(f"batch {each.batch.id}: nothing is known of {len(silent)} transfers")
        for part in each.parts:
            await hear(tools, part.merchant_id, part.instruction.key, answers[part.instruction.key])
    # A batch that differs has gone out too: under its name the bank has other bytes, and people look at its payouts.
    await tools.database.run(ACTOR, lambda tx: payout_batch.mark_sent(tx, each.batch.id, tools.clock()))


async def _payouts_of(tools: Tools, each: BatchToSend) -> list[tuple[UUID, UUID]]:
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        return await payout_batch.payouts(session, each.batch.id)


def _gateway(tools: Tools, provider: str) -> PayoutGateway:
    if provider not in tools.payouts:
        raise StillOpen(f"nobody carries out payouts by {provider} here; configure one")
    return tools.payouts[provider]


def _now(tools: Tools) -> Act:
    now = tools.clock()
    return Act(ACTOR, now, now)


def _not_later(moment: datetime | None, now: datetime) -> datetime:
    """A provider's clock may be ahead of ours; nothing is booked in the future."""
    return min(moment, now) if moment is not None else now
