"""Taking what banks and providers send: statements are kept and matched, status reports are heard."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.errors import BankFileInvalid
from merchantry.gateways import provider_statement
from merchantry.gateways.bank_statement import BankStatement
from merchantry.gateways.iso20022 import camt053, pain001, pain002
from merchantry.jobs.payouts import WORDS
from merchantry.services import payout_batch, payout_outcome, reconciliation
from merchantry.services.payout import Told
from merchantry.services.reconciliation import Source
from tenancy.database import Database, Transaction


class FileKind(StrEnum):
    """What a file is."""

    CAMT_053 = "camt.053"
    PAIN_002 = "pain.002"
    PROVIDER_CSV = "csv"


@dataclass(slots=True)
class Reconciled:
    """What a file came to; ``repeated`` counts the statements that had been taken before."""

    kind: FileKind
    statements: int = 0
    repeated: int = 0
    lines: int = 0
    matched: int = 0
    returned: int = 0
    unmatched: int = 0
    answers: int = 0
    cases: list[UUID] = field(default_factory=list)


def kind_of(data: bytes) -> FileKind:
    """What a file is, by its beginning. Whether it is a good one is found when it is read."""
    head = data[:4_096]
    if b"camt.053" in head:
        return FileKind.CAMT_053
    return FileKind.PAIN_002 if b"pain.002" in head else FileKind.PROVIDER_CSV


async def take_file(
    database: Database,
    data: bytes,
    act: Act,
    *,
    file_name: str = "",
    account: str = "wallet",
    progress: Callable[[Reconciled], None] = lambda result: None,
) -> Reconciled:
    """Take a file of any kind; taken again, nothing happens twice. ``account`` names ours with a CSV's provider.

    Raises BankFileInvalid, and nothing of the file was used.
    """
    kind = kind_of(data)
    result = Reconciled(kind)
    if kind is FileKind.PAIN_002:
        await _hear_report(database, data, act, result)
        return result
    # Reading is work for the processor: in a thread, so that a server goes on answering meanwhile.
    if kind is FileKind.CAMT_053:
        statements = await asyncio.to_thread(camt053.read, data)
    else:
        statements = await asyncio.to_thread(provider_statement.read, data, account)
    for position, statement in enumerate(statements):
        digest = hashlib.sha256(data + position.to_bytes(4, "big")).digest()
        await _take(database, statement, Source(kind, digest, file_name), act, result, progress)
    await database.run(act.actor, lambda tx: _look_for_missing(tx, act, result))
    return result


async def _take(
    database: Database,
    statement: BankStatement,
    source: Source,
    act: Act,
    result: Reconciled,
    progress: Callable[[Reconciled], None],
) -> None:
    async def keep(tx: Transaction) -> tuple[UUID, bool]:
        async with tx.as_platform() as session:
            return await reconciliation.take(session, statement, source, act)

    statement_id, is_new = await database.run(act.actor, keep)
    result.statements += is_new
    result.repeated += not is_new
    async with database.read(act.actor) as tx, tx.as_platform() as session:
        positions = await reconciliation.unmatched(session, statement_id)
    result.lines += len(statement.lines) if is_new else 0
    for position in positions:
        await _match(database, statement_id, position, act, result)
        progress(result)


async def _match(database: Database, statement_id: UUID, position: int, act: Act, result: Reconciled) -> None:
    status, case_id = await database.run(act.actor, lambda tx: reconciliation.match(tx, statement_id, position, act))
    setattr(result, status, getattr(result, status) + 1)
    if case_id:
        result.cases.append(case_id)


async def _look_for_missing(tx: Transaction, act: Act, result: Reconciled) -> None:
    async with tx.as_platform() as session:
        result.cases += await reconciliation.missing_lines(session, act.booked_at, act)


async def _hear_report(database: Database, data: bytes, act: Act, result: Reconciled) -> None:
    """The bank's status report on a batch of ours; every transfer of it that the report speaks of hears it."""
    report = await asyncio.to_thread(pain002.read, data)
    batch_id = pain001.batch_of(report.message_id)
    async with database.read(act.actor) as tx, tx.as_platform() as session:
        members = await payout_batch.members(session, batch_id) if batch_id else []
    if not members:
        raise BankFileInvalid(reason=f"It reports on the message {report.message_id}, which was not sent from here.")
    for merchant_id, key, reference in members:
        answer = report.answer_for(key, reference)
        if answer is None:
            continue
        told = Told(WORDS[answer.status], answer.provider_reference, answer.reason, {"pain.002": report.id})
        hear = partial(payout_outcome.hear_from_provider, merchant_id=merchant_id, key=key, told=told, act=act)
        await database.run(act.actor, hear)
        result.answers += 1
