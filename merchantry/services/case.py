"""Review cases: opened by whoever meets something that people must look at, then worked on. Decided in case_decision.

A case is held by counting up its events, which a merchant's session may do too. Cases are held before everything else
(``services.checkout`` has the whole order); where one is opened late, a deadlock is run again from the start.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.case import (
    ITS_OWN,
    SHOWN_TO_MERCHANTS,
    CaseKind,
    CaseStatus,
    Vote,
    approvals_needed,
    person,
    refuse_unless_open,
)
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.money import format_minor
from merchantry.domain.permission import Permission, may
from merchantry.domain.worded import Worded
from merchantry.services import audit, outbox
from merchantry.services.approval_chain import chain_of
from merchantry.tables.case import case_event, review_case
from merchantry.tables.platform import NOBODY
from tenancy.database import MerchantSession, PlatformSession
from tenancy.tables import platform_role
from tenancy.writes import Changed, New, Write, write

AnySession = MerchantSession | PlatformSession


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of evidence.

    Where ``kind`` names a kind of node (``Order``), ``value`` is its keys after the merchant's, with spaces between:
    people are then shown the id that the API knows it by.
    """

    name: str
    value: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case to be; the merchant reads title and evidence, where its kind is among SHOWN_TO_MERCHANTS.

    ``merchant_id`` is NOBODY's where it concerns no merchant. ``subject_kind`` and ``subject_id`` are as kind and value
    of a Fact; there is one open case of a kind about a subject. ``parties`` are the actors who caused what is to be
    decided, and may therefore not decide it.
    """

    kind: CaseKind
    merchant_id: UUID
    subject_kind: str
    subject_id: str
    title: str
    evidence: Sequence[Fact] = ()
    currency: str | None = None
    amount_minor: int | None = None
    due_at: datetime | None = None
    parties: Sequence[str] = ()
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. ``owner`` and ``opened_by`` are actors; ``decision`` is the vote that ended it.

    ``granted_minor`` is what of the amount was approved, where a kind can be approved in part.
    """

    merchant_id: UUID
    id: UUID
    kind: CaseKind
    subject_kind: str
    subject_id: str
    title: str
    evidence: tuple[Fact, ...]
    currency: str | None
    amount_minor: int | None
    status: CaseStatus
    approvals_needed: int
    opened_by: str
    opened_at: datetime
    owner: str | None
    due_at: datetime | None
    decision: Vote | None
    reason: str | None
    decided_at: datetime | None
    events: int
    granted_minor: int | None

    @property
    def concerns_merchant(self) -> bool:
        """Whether the merchant it is about is told of it."""
        return self.kind in SHOWN_TO_MERCHANTS or self.opened_by.startswith(ITS_OWN)


class CaseAct(StrEnum):
    """What can happen to a case. ASK: somebody opened what was open. OVERDUE: nobody decided it in time.
    REOPEN: what was rejected is looked at once more."""

    OPEN = "open"
    ASK = "ask"
    EVIDENCE = "evidence"
    COMMENT = "comment"
    ASSIGN = "assign"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SETTLE = "settle"
    OVERDUE = "overdue"
    REOPEN = "reopen"


CASE_COLUMNS = [review_case.c[name] for name in Case.__slots__]
SUBJECT = ["merchant_id", "kind", "subject_kind", "subject_id"]

OPEN_OR_HOLD = (
    insert(review_case)
    .on_conflict_do_update(
        index_elements=SUBJECT, index_where=text("status = 'open'"), set_={"events": review_case.c.events + 1}
    )
    .returning(*CASE_COLUMNS)
)
HOLD = (
    update(review_case)
    .where(review_case.c.merchant_id == bindparam("merchant"), review_case.c.id == bindparam("case"))
    .values(events=review_case.c.events + 1)
    .returning(*CASE_COLUMNS)
)


async def open_case(session: AnySession, new: NewCase, act: Act) -> UUID:
    """Let people look at something. Where the same is open already, it gets this evidence and these parties instead.

    The amount and the approvals needed stay those of the opening; another amount becomes evidence. What a merchant must
    not see in its audit trail is opened by the platform's session.
    """
    chain = await chain_of(session, new.kind)
    row = {
        **{name: getattr(new, name) for name in ("merchant_id", "id", "kind", "subject_kind", "subject_id", "title")},
        "evidence": _documents(new.evidence),
        "currency": new.currency,
        "amount_minor": new.amount_minor,
        "status": CaseStatus.OPEN,
        "approvals_needed": approvals_needed(new.kind, new.amount_minor, new.currency, chain),
        "opened_by": act.actor_seen_by_merchant,
        "opened_at": act.at,
        "due_at": new.due_at,
        "events": 1,
    }
    case = from_row((await session.execute(OPEN_OR_HOLD, row)).one())
    did = CaseAct.OPEN if case.id == new.id else CaseAct.ASK
    details = _details(case, [*new.evidence, *_another_amount(case, new)], [*new.parties, act.actor])
    after = {"kind": new.kind, "subject": f"{new.subject_kind} {new.subject_id}", "title": new.title}
    await write(
        session,
        event(case, did, act, new.title, details),
        trail(session, case, did, act, after),
        *(_told(session, case, EventKind.CASE_OPENED, {}, act) if did is CaseAct.OPEN else ()),
    )
    return case.id


async def held(session: AnySession, merchant_id: UUID, case_id: UUID) -> Case:
    """The case, locked until the transaction ends; its ``events`` is the number of the next one. Raises NotFound."""
    row = (await session.execute(HOLD, {"merchant": merchant_id, "case": case_id})).one_or_none()
    if row is None:
        raise NotFound(what="case", path=("case_id",))
    return from_row(row)


async def comment(session: AnySession, merchant_id: UUID, case_id: UUID, said: str, act: Act) -> None:
    """Say something about a case, decided or not. Raises NotFound."""
    case = await held(session, merchant_id, case_id)
    did = CaseAct.COMMENT
    await write(session, event(case, did, act, said, {}), trail(session, case, did, act, {"text": said}))


async def add_evidence(
    session: AnySession,
    merchant_id: UUID,
    case_id: UUID,
    evidence: Sequence[Fact],
    act: Act,
    *,
    parties: Sequence[str] = (),
) -> None:
    """Something more is known; ``parties`` may not decide either. Raises NotFound, CaseClosed."""
    case = await held(session, merchant_id, case_id)
    refuse_unless_open(case.status)
    did, details = CaseAct.EVIDENCE, _details(case, evidence, parties)
    after = {"evidence": details["evidence"]}
    await write(session, event(case, did, act, "", details), trail(session, case, did, act, after))


async def assign(session: PlatformSession, merchant_id: UUID, case_id: UUID, account_id: UUID | None, act: Act) -> None:
    """Somebody of the platform takes care of a case, or nobody any more.

    Raises NotFound, CaseClosed, InvalidInput where the account may not work on cases.
    """
    case = await held(session, merchant_id, case_id)
    refuse_unless_open(case.status)
    if account_id is not None:
        roles = await session.execute(select(platform_role.c.role).where(platform_role.c.account_id == account_id))
        if not may([row.role for row in roles], Permission.PLATFORM_CASE_WRITE):
            reason = Worded(
                "A case's owner needs the permission {permission}; choose somebody with it.",
                permission=Permission.PLATFORM_CASE_WRITE,
            )
            raise InvalidInput(reason=reason, path=("account_id",))
    did, owner = CaseAct.ASSIGN, f"platform:{account_id}" if account_id else None
    await write(
        session,
        Changed(review_case, key_of(case), {"owner": owner}),
        event(case, did, act, "", {"owner": owner}),
        trail(session, case, did, act, {"owner": owner}, {"owner": case.owner}),
    )


def key_of(case: Case) -> dict[str, UUID]:
    """What finds the case's row."""
    return {"merchant_id": case.merchant_id, "id": case.id}


def event(case: Case, did: CaseAct, act: Act, said: str, details: dict[str, Any]) -> New:
    """The next thing that happened to a case that is held."""
    row = {
        "merchant_id": case.merchant_id,
        "case_id": case.id,
        "seq": case.events,
        "kind": did,
        "actor": act.actor_seen_by_merchant,
        "text": said,
        "details": details,
        "occurred_at": act.at,
    }
    return New(case_event, row)


def told_of_end(session: AnySession, case: Case, act: Act) -> list[New]:
    """The event of a case's end, whatever ended it; the merchant's news have title and reason too."""
    granted = {} if case.granted_minor is None else {"granted_minor": case.granted_minor, "currency": case.currency}
    return _told(session, case, EventKind.CASE_DECIDED, granted, act)


def _told(session: AnySession, case: Case, kind: EventKind, more: dict[str, Any], act: Act) -> list[New]:
    """Of what is the platform's own affair only the platform is told."""
    facts = {"case": case.id, "kind": case.kind, "status": case.status, **more}
    is_told = isinstance(session, MerchantSession) or case.concerns_merchant
    if not is_told and case.merchant_id != NOBODY:
        facts["merchant"] = case.merchant_id
    news = {"title": case.title, "reason": case.reason}
    return outbox.published(session, kind, facts, act, merchant_id=case.merchant_id if is_told else None, news=news)


def trail(
    session: AnySession, case: Case, did: CaseAct, act: Act, after: audit.Facts, before: audit.Facts | None = None
) -> Write:
    """Its audit event: what the platform does is in the platform's trail alone, so that merchants don't read it."""
    if isinstance(session, MerchantSession):
        return audit.event(session, case.merchant_id, act, f"case.{did}", str(case.id), before, after)
    concerned = {} if case.merchant_id == NOBODY else {"merchant": str(case.merchant_id)}
    return audit.event(session, NOBODY, act, f"case.{did}", str(case.id), before, {**concerned, **after})


def sealed(case_id: UUID, actor: str) -> str:
    """Who an actor is, told apart within one case only: a merchant's rows don't say who its buyers are."""
    return hashlib.sha256(case_id.bytes + person(actor).encode()).hexdigest()[:32]


def from_row(row: Row[Any]) -> Case:
    """A case from a row of ``CASE_COLUMNS``."""
    fields = row._asdict()
    typed = {
        "kind": CaseKind(fields["kind"]),
        "status": CaseStatus(fields["status"]),
        "decision": Vote(fields["decision"]) if fields["decision"] else None,
        "evidence": facts_from(fields["evidence"]),
    }
    return Case(**{**fields, **typed})


def facts_from(documents: Sequence[dict[str, Any]]) -> tuple[Fact, ...]:
    """Evidence as it was stored."""
    return tuple(Fact(**document) for document in documents)


def _documents(evidence: Sequence[Fact]) -> list[dict[str, Any]]:
    return [asdict(fact) for fact in evidence]


def _details(case: Case, evidence: Sequence[Fact], parties: Sequence[str]) -> dict[str, Any]:
    return {"evidence": _documents(evidence), "parties": sorted({sealed(case.id, actor) for actor in parties})}


def _another_amount(case: Case, new: NewCase) -> list[Fact]:
    if new.amount_minor is None or new.currency is None:
        return []
    if (new.amount_minor, new.currency) == (case.amount_minor, case.currency):
        return []
    return [Fact("amount", f"{format_minor(new.amount_minor, new.currency)} {new.currency}")]
