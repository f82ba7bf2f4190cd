"""What people make of lines that no rule could match: they say which transfer it is, or that it is none of ours."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.case import Decision
from merchantry.domain.errors import BankLineDecided, InvalidInput, NotFound
from merchantry.domain.payout import Word
from merchantry.domain.reconciliation import Borne, LineStatus, MatchedBy, taken_too_much
from merchantry.domain.worded import Worded
from merchantry.services import audit, ledger, reconciliation
from merchantry.services.case import Case
from merchantry.services.payout import Told
from merchantry.services.reconciliation import Candidate
from merchantry.tables.payout import payout_instruction
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction


@dataclass(frozen=True, slots=True)
class Matching:
    """Which transfer a line is, and how it is known. ``difference`` says who bears it where the amounts differ."""

    reference: str
    evidence: str
    difference: Borne | None = None


async def match(tx: Transaction, statement_id: UUID, position: int, said: Matching, act: Act) -> None:
    """Say that a line is that of the transfer with this reference, and how it is known; its case ends.

    Money that came in is the transfer's return. The transfer is paid or returned as a whole; where the bank moved
    another amount and the merchant bears that, an adjustment puts its balance right. Raises NotFound, BankLineDecided,
    and InvalidInput where the two can't be the same (another line was matched with it), and where the amounts differ
    and nobody says who bears it.
    """
    reference, evidence = said.reference, said.evidence
    async with tx.as_platform() as session:
        line = await _undecided(session, statement_id, position)
        found = await reconciliation.by_reference(session, reference)
        if found is None:
            raise NotFound(what="transfer", path=("transfer",))
        is_return = line.is_return or line.amount_minor > 0
        if reason := await reconciliation.objection(session, line, found, is_return=is_return):
            raise InvalidInput(reason=reason, path=("transfer",))
        differs = reconciliation.difference(line, found, is_return=is_return)
        _refuse_unclear(differs, said.difference)
        after = {"transfer": reference, "evidence": evidence, "difference": said.difference and said.difference.value}
        await _record(session, line, "match", after, act)
    known = {"bank_statement": str(statement_id), "position": position, "text": evidence, "by": act.actor}
    word = Word.RETURNED if is_return else Word.PAID
    told = Told(word, line.provider_reference, line.text if is_return else None, known)
    _, case_id = await reconciliation.book(tx, line, found, MatchedBy.PERSON, told, act)
    if differs and said.difference is Borne.MERCHANT and case_id is None:
        taken_minor = taken_too_much(found.amount_minor, line.amount_minor, is_return=is_return)
        await _put_right(tx, found, taken_minor, differs, act)


def _refuse_unclear(differs: str | None, borne: Borne | None) -> None:
    if differs and borne is None:
        reason = Worded("{differs} Say who bears that: the merchant or the platform.", differs=differs)
        raise InvalidInput(reason=reason, path=("difference",))
    if borne is not None and not differs:
        raise InvalidInput(reason="The amounts do not differ; leave the difference out.", path=("difference",))


async def _put_right(tx: Transaction, found: Candidate, taken_minor: int, reason: str, act: Act) -> None:
    """The merchant got so much more than its payout says: it is taken from its balance, or given where negative."""
    table = payout_instruction.c
    async with tx.as_merchant(found.merchant_id) as session:
        paid_seq = await session.scalar(
            select(table.entry_seq).where(table.merchant_id == found.merchant_id, table.key == found.key)
        )
        entry = entries.adjustment(
            -taken_minor,
            found.currency,
            occurred_at=act.at,
            details={"reference": found.reference, "reason": reason},
            corrects=paid_seq,
        )
        await ledger.book(session, entry, act, entries.platform_side(entry, earned=False))


async def dismiss(session: PlatformSession, statement_id: UUID, position: int, reason: str, act: Act) -> None:
    """Say that a line is about no transfer of ours, or was put right with the bank; its case ends.

    Raises NotFound, BankLineDecided.
    """
    line = await _undecided(session, statement_id, position)
    await reconciliation.set_line(session, line, status=LineStatus.DISMISSED)
    await _record(session, line, "dismiss", {"status": LineStatus.DISMISSED.value, "reason": reason}, act)
    await reconciliation.end_case(session, "BankLine", reconciliation.subject_of(line), reason, act)


async def case_decided(tx: Transaction, case: Case, decision: Decision, act: Act) -> None:
    """A vote says neither which transfer a line is nor that it is none: it can't end the case before somebody does.

    Raises InvalidInput.
    """
    if case.subject_kind != "BankLine":
        return
    statement_id, position = (UUID(key) for key in case.subject_id.split(" "))
    async with tx.as_platform() as session:
        line = await reconciliation.locked(session, statement_id, position.int)
    if line is not None and line.status == LineStatus.UNMATCHED:
        reason = (
            "Match the line with its transfer (bankLineMatch), or dismiss it (bankLineDismiss): that ends the case."
        )
        raise InvalidInput(reason=reason, path=("case_id",))


async def _undecided(session: PlatformSession, statement_id: UUID, position: int) -> Row[Any]:
    line = await reconciliation.locked(session, statement_id, position)
    if line is None:
        raise NotFound(what="bank line", path=("line",))
    if line.status != LineStatus.UNMATCHED:
        raise BankLineDecided(status=line.status)
    return line


async def _record(session: PlatformSession, line: Row[Any], did: str, after: audit.Facts, act: Act) -> None:
    before = {"status": line.status}
    await audit.record(session, NOBODY, act, f"bank_line.{did}", reconciliation.subject_of(line), before, after)
