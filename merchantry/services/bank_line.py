"""What people make of lines that no rule could match: they say which transfer it is, or that it is none of ours."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from merchantry.domain.act import Act
from merchantry.domain.case import Decision
from merchantry.domain.errors import BankLineDecided, InvalidInput, NotFound
from merchantry.domain.payout import Word
from merchantry.domain.reconciliation import LineStatus, MatchedBy
from merchantry.services import audit, reconciliation
from merchantry.services.case import Case
from merchantry.services.payout import Told
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction


async def match(tx: Transaction, statement_id: UUID, position: int, reference: str, evidence: str, act: Act) -> None:
    """Say that a line is that of the transfer with this reference, and how it is known; its case ends.

    Money that came in is the transfer's return. Raises NotFound, BankLineDecided, and InvalidInput where the two can't
    be the same: the amounts differ, or another line was matched with it.
    """
    async with tx.as_platform() as session:
        line = await _undecided(session, statement_id, position)
        found = await reconciliation.by_reference(session, reference)
        if found is None:
            raise NotFound(what="transfer", path=("transfer",))
        is_return = line.is_return or line.amount_minor > 0
        if reason := await reconciliation.objection(session, line, found, is_return=is_return):
            raise InvalidInput(reason=reason, path=("transfer",))
        await _record(session, line, "match", {"transfer": reference, "evidence": evidence}, act)
    known = {"bank_statement": str(statement_id), "position": position, "text": evidence, "by": act.actor}
    word = Word.RETURNED if is_return else Word.PAID
    told = Told(word, line.provider_reference, line.text if is_return else None, known)
    await reconciliation.book(tx, line, found, MatchedBy.PERSON, told, act)


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
