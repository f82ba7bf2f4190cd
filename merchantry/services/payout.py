"""Payouts: planned with the money reserved, instructed under keys of their own, and what was heard of them.

Everything here is one transaction; whoever calls a provider does so between two of them. A payout is locked before the
merchant's ledger is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, person
from merchantry.domain.errors import InvalidInput, NotFound, OwnAct, PayoutRefused
from merchantry.domain.event import EventKind
from merchantry.domain.ledger import EntryKind
from merchantry.domain.payout import OPEN, Booking, Heard, PayoutStatus, TransferState, Word, cut, hear, status_of
from merchantry.domain.review import Outcome
from merchantry.services import audit, case, case_list, ledger, outbox, payee, queue
from merchantry.services.case import Fact, NewCase
from merchantry.services.queue import JobKind
from merchantry.tables.case import review_case
from merchantry.tables.payout import payout, payout_instruction
from merchantry.tables.review import review
from tenancy.database import MerchantSession
from tenancy.writes import Changed, New, Write, write

ASK_AGAIN = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
UNKNOWN_IS_A_CASE = timedelta(hours=1)
"""How long nobody may have answered for a transfer until people are asked to look."""

UNANSWERED = (TransferState.CREATED, TransferState.ASKED, TransferState.UNKNOWN)
"""States of a transfer of which nobody has said anything that counts."""

CASES = {PayoutStatus.FAILED: CaseKind.PAYOUT_FAILED, PayoutStatus.RETURNED: CaseKind.PAYOUT_RETURNED}


@dataclass(frozen=True, slots=True)
class Planned:
    """A payout to be: its money is booked as in payout already, by the entry ``entry_seq``."""

    id: UUID
    number: str
    statement_id: UUID
    currency: str
    amount_minor: int
    payee_account_id: UUID
    provider: str
    release_above_minor: int | None
    entry_seq: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One instruction of a payout."""

    merchant_id: UUID
    key: UUID
    payout_id: UUID
    attempt: int
    position: int
    reference: str
    amount_minor: int
    status: TransferState
    batch_id: UUID | None
    provider_reference: str | None
    reason: str | None
    created_at: datetime
    asked_at: datetime | None
    answered_at: datetime | None
    entry_seq: int | None


@dataclass(frozen=True, slots=True)
class Payout:
    """Money on its way to a merchant."""

    merchant_id: UUID
    id: UUID
    number: str
    statement_id: UUID
    currency: str
    amount_minor: int
    paid_minor: int
    returned_minor: int
    payee_account_id: UUID
    provider: str
    status: PayoutStatus
    release_above_minor: int | None
    planned_by: str
    planned_at: datetime
    released_by: str | None
    released_at: datetime | None
    ended_at: datetime | None
    failure: str | None
    entry_seq: int

    @property
    def waits_for_release(self) -> bool:
        """Whether a person has to let it go."""
        return self.release_above_minor is not None and self.released_by is None

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.planned_at, self.id


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says of a transfer. ``who`` is the provider, a bank's line, or a person with evidence."""

    word: Word
    provider_reference: str | None = None
    reason: str | None = None
    evidence: dict[str, Any] | None = None


COLUMNS = [payout.c[name] for name in Payout.__slots__]
TRANSFER_COLUMNS = [payout_instruction.c[name] for name in Transfer.__slots__]
LOCK = (
    select(*COLUMNS)
    .where(payout.c.merchant_id == bindparam("merchant"), payout.c.id == bindparam("payout"))
    .with_for_update()
)
LATEST = (
    select(*TRANSFER_COLUMNS)
    .ext(distinct_on(payout_instruction.c.position))
    .where(
        payout_instruction.c.merchant_id == bindparam("merchant"),
        payout_instruction.c.payout_id == bindparam("payout"),
    )
    .order_by(payout_instruction.c.position, payout_instruction.c.attempt.desc())
)

HELD = select(
    exists().where(review.c.trail_id == bindparam("payout"), review.c.outcome == Outcome.HOLD)
    & exists().where(
        review_case.c.merchant_id == bindparam("merchant"),
        review_case.c.kind == CaseKind.REVIEW,
        review_case.c.subject_kind == "Payout",
        review_case.c.subject_id == bindparam("id"),
        review_case.c.status.in_((CaseStatus.OPEN, CaseStatus.REJECTED)),
    )
)
"""Whether a rule held a payout, and people have not cleared it."""


async def plan(session: MerchantSession, planned: Planned, act: Act) -> None:
    """Write a payout whose money is in payout already; it goes out by itself unless a person must release it."""
    row = {name: getattr(planned, name) for name in Planned.__slots__}
    facts = {"paid_minor": 0, "returned_minor": 0, "status": PayoutStatus.PLANNED.value}
    row |= {**facts, "merchant_id": session.merchant_id, "planned_by": act.actor, "planned_at": act.booked_at}
    after = {"number": planned.number, "amount_minor": planned.amount_minor, "currency": planned.currency}
    asked = queue.asked(session.merchant_id, JobKind.PAYOUT_SEND, planned.id, act.booked_at)
    await write(
        session,
        New(payout, row),
        *_told(session, planned, PayoutStatus.PLANNED, act),
        audit.event(session, session.merchant_id, act, "payout.plan", str(planned.id), None, after),
        *([asked] if planned.release_above_minor is None else []),
    )


async def locked(session: MerchantSession, payout_id: UUID) -> Payout:
    """The merchant's payout, kept as it is until the transaction ends. Raises NotFound."""
    row = (await session.execute(LOCK, {"merchant": session.merchant_id, "payout": payout_id})).one_or_none()
    if row is None:
        raise NotFound(what="payout", path=("payout_id",))
    return from_row(row)


async def find(session: MerchantSession, payout_id: UUID) -> Payout:
    """The merchant's payout. Raises NotFound."""
    table = payout.c
    statement = select(*COLUMNS).where(table.merchant_id == session.merchant_id, table.id == payout_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(what="payout", path=("payout_id",))
    return from_row(row)


def from_row(row: Row[Any]) -> Payout:
    """A payout from a row of ``COLUMNS``."""
    return Payout(**{**row._asdict(), "status": PayoutStatus(row.status)})


async def latest(session: MerchantSession, payout_id: UUID) -> list[Transfer]:
    """The latest attempt at each position of a payout."""
    rows = await session.execute(LATEST, {"merchant": session.merchant_id, "payout": payout_id})
    return [transfer_from(row) for row in rows]


def transfer_from(row: Row[Any]) -> Transfer:
    """A transfer from a row of ``TRANSFER_COLUMNS``."""
    return Transfer(**{**row._asdict(), "status": TransferState(row.status)})


async def release(session: MerchantSession, payout_id: UUID, act: Act) -> Payout:
    """Let a payout go out that is above the limit, or that a review rule held and people have cleared.

    Raises NotFound, PayoutRefused, OwnAct for whoever planned it.
    """
    found = await locked(session, payout_id)
    if found.status is not PayoutStatus.PLANNED or not found.waits_for_release:
        raise PayoutRefused(status=found.status, act="release")
    if await session.scalar(HELD, {"payout": payout_id, "id": str(payout_id), "merchant": session.merchant_id}):
        raise PayoutRefused(status="under review", act="release")
    if person(found.planned_by) == person(act.actor):
        raise OwnAct
    await queue.enqueue(session, session.merchant_id, JobKind.PAYOUT_SEND, payout_id, act.booked_at)
    return await _changed(session, found, act, "release", released_by=act.actor, released_at=act.booked_at)


async def begin(session: MerchantSession, payout_id: UUID, limit_minor: int | None, act: Act) -> list[Transfer]:
    """Make the transfers of a payout that is to go out, or give those that are still to be asked for.

    Repeating it gives the same keys. Empty where there is nothing to ask: it waits for a person, or has ended.
    """
    found = await locked(session, payout_id)
    if found.status is PayoutStatus.PLANNED and not found.waits_for_release:
        amounts = cut(found.amount_minor, limit_minor)
        made = [_instruction(found, 1, position, amount, act) for position, amount in enumerate(amounts, start=1)]
        await _set_status(session, found, PayoutStatus.SENDING, act, *(New(payout_instruction, row) for row in made))
    elif found.status is not PayoutStatus.SENDING:
        return []
    transfers = await latest(session, payout_id)
    return [each for each in transfers if each.status in (TransferState.CREATED, TransferState.ASKED)]


def _instruction(found: Payout, attempt: int, position: int, amount_minor: int, act: Act) -> dict[str, Any]:
    return {
        "merchant_id": found.merchant_id,
        "key": uuid4(),
        "payout_id": found.id,
        "attempt": attempt,
        "position": position,
        "reference": f"{found.number}-{position}-{attempt}",
        "amount_minor": amount_minor,
        "status": TransferState.CREATED.value,
        "created_at": act.booked_at,
    }


async def mark_asked(session: MerchantSession, keys: Collection[UUID], act: Act, batch_id: UUID | None = None) -> None:
    """Remember, before the provider is called, that it will be: from here on silence is not a no."""
    table = payout_instruction.c
    await session.execute(
        update(payout_instruction)
        .where(
            table.merchant_id == session.merchant_id,
            table.key == func.any(list(keys)),
            table.status == TransferState.CREATED.value,
        )
        .values(status=TransferState.ASKED.value, asked_at=act.booked_at, batch_id=batch_id)
    )


async def hear_of(session: MerchantSession, key: UUID, told: Told, act: Act) -> tuple[Payout, Heard]:
    """Write what was said of a transfer, and book what follows. Raises NotFound; hearing it again changes nothing."""
    found = await locked(session, await _payout_of(session, key))
    transfers = {each.key: each for each in await _attempts(session, found.id)}
    transfer = transfers[key]
    heard = hear(transfer.status, told.word)
    if heard.state is transfer.status and not heard.bookings:
        await _ask_again(session, found, transfer.created_at, act)
        await _worry(session, found, transfer, act)
        return found, heard
    paid, returned, entry_seq = found.paid_minor, found.returned_minor, transfer.entry_seq
    for booking in heard.bookings:
        entry_seq = await _book(session, found, transfer, booking, entry_seq, act)
        paid += transfer.amount_minor if booking is Booking.PAID else 0
        returned += transfer.amount_minor if booking is Booking.RETURNED else 0
    changed = {
        "status": heard.state.value,
        "provider_reference": told.provider_reference or transfer.provider_reference,
        "reason": told.reason,
        "answered_at": act.booked_at,
        "entry_seq": entry_seq,
        "evidence": told.evidence,
    }
    latest_states = _latest_states(transfers.values(), key, heard.state)
    status = status_of(latest_states)
    ended = act.booked_at if status in (PayoutStatus.PAID, PayoutStatus.RETURNED) else None
    after = await _set_status(
        session,
        found,
        status,
        act,
        Changed(payout_instruction, {"merchant_id": session.merchant_id, "key": key}, changed),
        paid_minor=paid,
        returned_minor=returned,
        failure=told.reason if status in (PayoutStatus.FAILED, PayoutStatus.RETURNED) else None,
        ended_at=ended,
    )
    if after.status is not found.status and after.status in CASES:
        await _open_case(session, after, CASES[after.status], told.reason, act)
    if Booking.RETURNED in heard.bookings:
        # Nothing more is paid to an account that money came back from, until somebody has looked at it.
        await payee.flag_returned(session, found.payee_account_id, told.reason or "The bank returned a payout.", act)
    await _ask_again(session, after, transfer.created_at, act)
    return after, heard


async def differs(session: MerchantSession, payout_id: UUID, reason: str, act: Act) -> None:
    """The provider has other transfers under our keys: no answer about them is ours, so a person must find out.

    What was asked for is unknown from here on, and nobody asks again by itself. Raises NotFound.
    """
    found = await locked(session, payout_id)
    for each in await latest(session, payout_id):
        if each.status in (TransferState.ASKED, TransferState.ACCEPTED):
            await _set_unknown(session, each.key, reason, act)
    states = [each.status for each in await latest(session, payout_id)]
    after = await _set_status(session, found, status_of(states), act)
    await _open_case(session, after, CaseKind.PAYOUT_UNKNOWN, reason, act)
    await queue.dequeue(session, session.merchant_id, JobKind.PAYOUT_POLL, payout_id)


async def _set_unknown(session: MerchantSession, key: UUID, reason: str, act: Act) -> None:
    changed = {"status": TransferState.UNKNOWN.value, "reason": reason, "answered_at": act.booked_at}
    await write(session, Changed(payout_instruction, {"merchant_id": session.merchant_id, "key": key}, changed))


async def _worry(session: MerchantSession, found: Payout, transfer: Transfer, act: Act) -> None:
    """Nobody has answered for so long that a person must ask."""
    silent = act.booked_at - (transfer.asked_at or transfer.created_at)
    if transfer.status is not TransferState.UNKNOWN or silent < UNKNOWN_IS_A_CASE:
        return
    about = (session.merchant_id, CaseKind.PAYOUT_UNKNOWN, "Payout", str(found.id))
    if await case_list.open_about(session, *about) is None:
        await _open_case(session, found, CaseKind.PAYOUT_UNKNOWN, f"No answer since {transfer.asked_at}", act)


async def _open_case(session: MerchantSession, found: Payout, kind: CaseKind, reason: str | None, act: Act) -> None:
    new = NewCase(
        kind=kind,
        merchant_id=session.merchant_id,
        subject_kind="Payout",
        subject_id=str(found.id),
        title=f"The payout {found.number} is {found.status}.",
        evidence=[Fact("payout", found.number), Fact("reason", reason or "none was given")],
        currency=found.currency,
        amount_minor=found.amount_minor,
        parties=[found.planned_by],
    )
    await case.open_case(session, new, act)


def _latest_states(transfers: Collection[Transfer], key: UUID, state: TransferState) -> list[TransferState]:
    newest: dict[int, Transfer] = {}
    for each in transfers:
        if each.position not in newest or each.attempt > newest[each.position].attempt:
            newest[each.position] = each
    return [state if each.key == key else each.status for each in newest.values()]


async def _book(
    session: MerchantSession, found: Payout, transfer: Transfer, booking: Booking, paid_seq: int | None, act: Act
) -> int:
    returned = booking is Booking.RETURNED
    entry = entries.move(
        EntryKind.PAYOUT_RETURNED if returned else EntryKind.PAYOUT_PAID,
        transfer.amount_minor,
        found.currency,
        occurred_at=act.at,
        details={"payout": found.number, "reference": transfer.reference},
        reverses=paid_seq if returned else None,
    )
    return await ledger.book(session, entry, act)


async def _ask_again(session: MerchantSession, found: Payout, since: datetime, act: Act) -> None:
    """Ask the provider again while an answer is due, further and further apart."""
    if found.status in (PayoutStatus.SENDING, PayoutStatus.SENT, PayoutStatus.UNKNOWN):
        wait = min(max(ASK_AGAIN, act.booked_at - since), LONGEST_WAIT)
        await queue.enqueue(session, session.merchant_id, JobKind.PAYOUT_POLL, found.id, act.booked_at + wait)
    else:
        await queue.dequeue(session, session.merchant_id, JobKind.PAYOUT_POLL, found.id)


async def retry(session: MerchantSession, payout_id: UUID, act: Act) -> Payout:
    """A new attempt, under new keys, at what definitely failed. Raises NotFound, PayoutRefused."""
    found = await locked(session, payout_id)
    if found.status is not PayoutStatus.FAILED:
        raise PayoutRefused(status=found.status, act="retry")
    transfers = await latest(session, payout_id)
    failed = [each for each in transfers if each.status is TransferState.REJECTED]
    rows = [_instruction(found, each.attempt + 1, each.position, each.amount_minor, act) for each in failed]
    await queue.enqueue(session, session.merchant_id, JobKind.PAYOUT_SEND, payout_id, act.booked_at)
    states = [each.status for each in transfers if each.status is not TransferState.REJECTED]
    status = status_of([*states, TransferState.CREATED])
    return await _set_status(session, found, status, act, *(New(payout_instruction, row) for row in rows))


async def cancel(session: MerchantSession, payout_id: UUID, reason: str, act: Act) -> Payout:
    """Give up what has not been paid; the money is available again. Raises NotFound, and PayoutRefused while a
    transfer may still arrive."""
    found = await locked(session, payout_id)
    transfers = await latest(session, payout_id)
    may_arrive = any(each.status in OPEN for each in transfers)
    if found.status not in (PayoutStatus.PLANNED, PayoutStatus.FAILED) or may_arrive:
        raise PayoutRefused(status=found.status, act="cancel")
    entry = entries.move(
        EntryKind.PAYOUT_CANCELLED,
        found.amount_minor - found.paid_minor,
        found.currency,
        occurred_at=act.at,
        details={"payout": found.number, "reason": reason},
        reverses=found.entry_seq,
    )
    await ledger.book(session, entry, act)
    await queue.dequeue(session, session.merchant_id, JobKind.PAYOUT_SEND, payout_id)
    return await _set_status(session, found, PayoutStatus.CANCELLED, act, failure=reason, ended_at=act.booked_at)


async def resolve(
    session: MerchantSession, key: UUID, word: Word, evidence: dict[str, Any], act: Act
) -> tuple[Payout, Heard]:
    """A person says what became of a transfer without an answer. Raises NotFound, InvalidInput, PayoutRefused."""
    if word not in (Word.PAID, Word.REJECTED):
        raise InvalidInput(reason="Say that it was paid, or that it definitely was not.", path=("word",))
    found = await locked(session, await _payout_of(session, key))
    if found.status is not PayoutStatus.UNKNOWN:
        raise PayoutRefused(status=found.status, act="resolve")
    return await hear_of(session, key, Told(word, evidence=evidence, reason="decided by a person"), act)


async def _payout_of(session: MerchantSession, key: UUID) -> UUID:
    table = payout_instruction.c
    statement = select(table.payout_id).where(table.merchant_id == session.merchant_id, table.key == key)
    found: UUID | None = await session.scalar(statement)
    if found is None:
        raise NotFound(what="transfer", path=("key",))
    return found


async def _attempts(session: MerchantSession, payout_id: UUID) -> Sequence[Transfer]:
    table = payout_instruction.c
    statement = select(*TRANSFER_COLUMNS).where(table.merchant_id == session.merchant_id, table.payout_id == payout_id)
    return [transfer_from(row) for row in await session.execute(statement)]


async def _set_status(
    session: MerchantSession, found: Payout, status: PayoutStatus, act: Act, *beside: Write, **changes: Any
) -> Payout:
    told = [] if status is found.status else _told(session, found, status, act)
    return await _changed(session, found, act, status, *beside, *told, status=status.value, **changes)


def _told(session: MerchantSession, found: Payout | Planned, status: PayoutStatus, act: Act) -> list[New]:
    facts = {name: getattr(found, name) for name in ("number", "amount_minor", "currency")}
    return outbox.published(session, EventKind(f"payout.{status}"), {"payout": found.id, **facts}, act)


async def _changed(
    session: MerchantSession, found: Payout, act: Act, what: str, *beside: Write, **changes: Any
) -> Payout:
    before = {"status": found.status.value}
    after = {"status": changes.get("status", found.status.value), "failure": changes.get("failure")}
    await write(
        session,
        Changed(payout, {"merchant_id": session.merchant_id, "id": found.id}, changes),
        audit.event(session, session.merchant_id, act, f"payout.{what}", str(found.id), before, after),
        *beside,
    )
    return await locked(session, found.id)
