"""Review cases: what waits for people, as the platform works on it and as the merchant concerned is told of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import CaseKind, CaseStatus, Vote
from graphql_api.money import Money
from graphql_api.relay import (
    Connection,
    Node,
    Page,
    Parts,
    connection_of,
    decode_id,
    encode_id,
    node,
    node_id,
    page,
    parse_id,
)
from graphql_api.selection import wanted
from merchantry.domain.case import PEOPLE
from merchantry.domain.permission import Permission
from merchantry.services import case_list, staff
from merchantry.services import merchant as merchants
from merchantry.services.case import AnySession, CaseAct, Fact
from merchantry.services.case import Case as StoredCase
from merchantry.services.case_list import CaseEvent as StoredEvent
from tenancy.database import MerchantSession, PlatformSession


@strawberry.type(description="Whose act it was. Merchants are told in which role, and no names.")
class CaseActor:
    role: str = strawberry.field(description="buyer, staff, platform or system.")
    account_id: strawberry.ID | None
    email: str | None


@strawberry.type(description="What a case is about.")
class CaseSubject:
    kind: str
    id: str = strawberry.field(description="A node's id where the kind is a kind of node, else a reference.")


@strawberry.type(description="One piece of evidence.")
class CaseFact:
    name: str
    value: str
    kind: str | None = strawberry.field(description="Which kind of node the value is the id of, where it is one.")


@strawberry.type(description="Somebody agreed.")
class CaseApproval:
    by: CaseActor
    at: datetime


@strawberry.type(description="Something that happened to a case.")
class CaseEvent:
    kind: str = strawberry.field(
        description="open, ask, evidence, comment, assign, approve, reject, withdraw or overdue."
    )
    actor: CaseActor
    text: str = strawberry.field(description="The comment, the vote's reason, …")
    evidence: list[CaseFact]
    owner: CaseActor | None = strawberry.field(description="Whom assign named.")
    occurred_at: datetime


@strawberry.type(
    description="Something that waits for people. To the merchant concerned, owner and approvals are not shown, and of "
    "the events only those that are its own people's, the system's, or for it to know."
)
class Case(Node):
    id: strawberry.ID
    kind: CaseKind
    status: CaseStatus
    merchant: str | None = strawberry.field(description="The slug of the merchant it is about, if it is about one.")
    subject: CaseSubject
    title: str
    evidence: list[CaseFact] = strawberry.field(description="What it was opened with; events have what came later.")
    amount: Money | None
    opened_by: CaseActor
    opened_at: datetime
    age_seconds: int = strawberry.field(description="How long it has been open, or was until it ended.")
    due_at: datetime | None
    overdue: bool = strawberry.field(description="Whether it is open after it was due, or ended after that.")
    owner: CaseActor | None = strawberry.field(description="Who of the platform takes care of it.")
    approvals_needed: int = strawberry.field(description="How many different people must agree.")
    approvals: list[CaseApproval]
    events: list[CaseEvent]
    decision: Vote | None = strawberry.field(description="The vote that ended it.")
    reason: str | None = strawberry.field(description="Why it was decided so, or withdrawn.")
    decided_at: datetime | None = strawberry.field(description="When it was decided or withdrawn.")


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is shown beside the rows. ``people`` have their addresses; None: the asker is told roles only."""

    now: datetime
    slugs: Mapping[UUID, str]
    stories: Mapping[UUID, tuple[StoredEvent, ...]]
    people: Mapping[UUID, str | None] | None

    def case(self, found: StoredCase) -> Case:
        """The case from its row and what was loaded beside it."""
        story, end = self.stories.get(found.id, ()), found.decided_at or self.now
        is_inside = self.people is not None
        approvals = [each for each in story if each.kind is CaseAct.APPROVE] if is_inside else []
        return Case(
            id=encode_id("Case", found.merchant_id, found.id),
            kind=found.kind,
            status=found.status,
            merchant=self.slugs.get(found.merchant_id),
            subject=_subject(found),
            title=found.title,
            evidence=_facts(found.merchant_id, found.evidence),
            amount=_amount(found),
            opened_by=self.actor(found.opened_by),
            opened_at=found.opened_at,
            age_seconds=int((end - found.opened_at).total_seconds()),
            due_at=found.due_at,
            overdue=found.due_at is not None and found.due_at < end,
            owner=self.actor(found.owner) if found.owner and is_inside else None,
            approvals_needed=found.approvals_needed,
            approvals=[CaseApproval(by=self.actor(each.actor), at=each.occurred_at) for each in approvals],
            events=[self.event(found.merchant_id, each) for each in story],
            decision=found.decision,
            reason=found.reason,
            decided_at=found.decided_at,
        )

    def event(self, merchant_id: UUID, found: StoredEvent) -> CaseEvent:
        """One step of a case's story."""
        return CaseEvent(
            kind=found.kind,
            actor=self.actor(found.actor),
            text=found.text,
            evidence=_facts(merchant_id, found.evidence),
            owner=self.actor(found.owner) if found.owner else None,
            occurred_at=found.occurred_at,
        )

    def actor(self, actor: str) -> CaseActor:
        """An actor, as the asker may know them."""
        account_id = _account_of(actor)
        if self.people is None or account_id is None:
            return CaseActor(role=actor.split(":")[0], account_id=None, email=None)
        return CaseActor(
            role=actor.split(":")[0], account_id=encode_id("Account", account_id), email=self.people.get(account_id)
        )


def _account_of(actor: str) -> UUID | None:
    role, _, account = actor.partition(":")
    return UUID(account) if role in PEOPLE and account else None


def _subject(found: StoredCase) -> CaseSubject:
    opaque = _opaque(found.merchant_id, found.subject_kind, found.subject_id)
    return CaseSubject(kind=found.subject_kind, id=opaque or found.subject_id)


def _facts(merchant_id: UUID, evidence: Iterable[Fact]) -> list[CaseFact]:
    facts = []
    for fact in evidence:
        opaque = _opaque(merchant_id, fact.kind, fact.value) if fact.kind else None
        facts.append(CaseFact(name=fact.name, value=opaque or fact.value, kind=fact.kind if opaque else None))
    return facts


def _opaque(merchant_id: UUID, kind: str, keys: str) -> strawberry.ID | None:
    """The id that the API knows a thing by, from its keys; None where it knows no such kind."""
    try:
        parts = [UUID(key) for key in keys.split(" ")]
    except ValueError:
        return None
    return node_id(kind, merchant_id, *parts) or node_id(kind, *parts)


def _amount(found: StoredCase) -> Money | None:
    if found.amount_minor is None or found.currency is None:
        return None
    return Money.of(found.amount_minor, found.currency)


NAMED = {"openedBy", "owner", "approvals", "events"}
EVERYTHING = frozenset({"merchant", *NAMED})
IN_PAGE = (("nodes",), ("edges", "node"))
"""Where a connection's nodes are selected."""


async def _shown(
    context: Context, session: AnySession, cases: Sequence[StoredCase], fields: Iterable[str] = EVERYTHING
) -> _Beside:
    """Load what these fields need, the same number of statements for however many cases."""
    selected = set(fields)
    is_told = selected & {"events", "approvals"}
    stories = await case_list.stories(session, cases) if is_told else {}
    if isinstance(session, MerchantSession):
        merchant = context.caller.merchant
        return _Beside(context.clock(), {merchant.id: merchant.slug} if merchant else {}, stories, None)
    slugs: dict[UUID, str] = {}
    if "merchant" in selected:
        found = await merchants.by_ids(session, {case.merchant_id for case in cases})
        slugs = {each.merchant.id: each.merchant.slug for each in found}
    people = await staff.emails(session, _accounts(cases, stories)) if selected & NAMED else {}
    return _Beside(context.clock(), slugs, stories, people)


def _accounts(cases: Iterable[StoredCase], stories: Mapping[UUID, tuple[StoredEvent, ...]]) -> set[UUID]:
    events = [event for story in stories.values() for event in story]
    actors = [actor for case in cases for actor in (case.opened_by, case.owner)]
    actors += [actor for event in events for actor in (event.actor, event.owner)]
    return {account_id for actor in actors if actor and (account_id := _account_of(actor))}


async def of_platform(
    info: Info,
    *,
    first: int | None,
    after: str | None,
    status: list[CaseStatus] | None,
    kind: list[CaseKind] | None,
    merchant: strawberry.ID | None,
    mine: bool,
) -> Connection[Case]:
    """``platform { cases }``. Raises NotPermitted."""
    context = info.context
    allowed = access.of_platform(context, Permission.PLATFORM_CASE_READ)
    asked = page("platformCases", (datetime, UUID), first, after)
    merchant_id = decode_id(merchant, "MerchantRecord", 1, ("merchant",))[0] if merchant is not None else None
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await case_list.page(
            session,
            limit=asked.limit,
            after=asked.after,
            statuses=status,
            kinds=kind,
            merchant_id=merchant_id,
            owner=allowed.act.actor if mine else None,
        )
        return await _connection(info, session, found, asked)


async def of_merchant(
    info: Info,
    *,
    first: int | None,
    after: str | None,
    status: list[CaseStatus] | None,
    kind: list[CaseKind] | None,
) -> Connection[Case]:
    """``merchant { cases }``. Raises NotPermitted."""
    context = info.context
    allowed = access.of_merchant(context, Permission.CASE_READ)
    asked = page("cases", (datetime, UUID), first, after)
    async with context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await case_list.page(session, limit=asked.limit, after=asked.after, statuses=status, kinds=kind)
        return await _connection(info, session, found, asked)


async def _connection(info: Info, session: AnySession, found: Sequence[StoredCase], asked: Page) -> Connection[Case]:
    fields = set[str]().union(*(wanted(info, *path) for path in IN_PAGE))
    beside = await _shown(info.context, session, found[: asked.first], fields)
    return connection_of(
        found, asked, cursor_of=lambda each: (each.opened_at, each.id), node_of=lambda each: beside.case(each)
    )


async def of_id(context: Context, id: str) -> Case | None:
    """``platform { case }``: None for whatever is no case's id. Raises NotPermitted."""
    access.of_platform(context, Permission.PLATFORM_CASE_READ)
    kind, parts = parse_id(id) or ("", ())
    return await find(context, *parts) if (kind, len(parts)) == ("Case", 2) else None


async def find(context: Context, merchant_id: UUID, case_id: UUID) -> Case | None:
    """The case as the platform sees it. Raises NotPermitted."""
    allowed = access.of_platform(context, Permission.PLATFORM_CASE_READ)
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        return await _find(context, session, merchant_id, case_id)


@node("Case", parts=2)
async def load_case(info: Info, parts: Parts) -> Case | None:
    """The case, for staff of its merchant where it concerns them, and for the platform's."""
    context, (merchant_id, case_id) = info.context, parts
    selected = context.caller.merchant
    if selected is None or selected.id != merchant_id:
        return await find(context, merchant_id, case_id)
    actor = access.of_merchant(context, Permission.CASE_READ).act.actor
    async with context.database.read(actor) as tx, tx.as_merchant(merchant_id) as session:
        return await _find(context, session, merchant_id, case_id)


async def _find(
    context: Context, session: PlatformSession | MerchantSession, merchant_id: UUID, case_id: UUID
) -> Case | None:
    found = await case_list.find(session, merchant_id, case_id)
    return (await _shown(context, session, [found])).case(found) if found else None
