"""Review cases on PostgreSQL: opened once, decided by others than who caused them, with one effect."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision, Vote
from merchantry.domain.errors import CaseClosed, InvalidInput, NotFound, OwnAct, VotedAlready
from merchantry.domain.permission import PlatformRole
from merchantry.services import audit, case, case_decision, case_end, case_list, staff
from merchantry.services.audit_search import EVERYTHING, AuditFilter, events
from merchantry.services.case import Case, CaseAct, Fact, NewCase
from merchantry.services.case_list import CaseEvent
from merchantry.tables.case import review_case
from merchantry.tables.outbox import outbox
from merchantry.tables.platform import NOBODY
from tenancy.database import Database, Transaction, sqlstate
from tests.builders import NOON, a_buyer, a_merchant, an_act

REFUSED = "42501"


def someone() -> str:
    """An actor of the platform."""
    return f"platform:{uuid4()}"


def a_case(merchant_id: UUID, kind: CaseKind = CaseKind.STATEMENT_OBJECTION, **given: Any) -> NewCase:
    usual = {"subject_kind": "Statement", "subject_id": str(uuid4()), "title": "Something is wrong"}
    return NewCase(kind, merchant_id, **{**usual, **given})


async def opened(database: Database, new: NewCase, actor: str = "system:test", *, as_merchant: bool = False) -> UUID:
    async with database.write("test") as tx:
        if as_merchant:
            async with tx.as_merchant(new.merchant_id) as session:
                return await case.open_case(session, new, an_act(actor))
        async with tx.as_platform() as platform:
            return await case.open_case(platform, new, an_act(actor))


async def found(database: Database, merchant_id: UUID, case_id: UUID) -> tuple[Case, tuple[CaseEvent, ...]]:
    async with database.read("test") as tx, tx.as_platform() as session:
        seen = await case_list.find(session, merchant_id, case_id)
        assert seen
        return seen, (await case_list.stories(session, [seen]))[case_id]


async def noted(tx: Transaction, decided: Case, decision: Decision, act: Act) -> None:
    """An effect that leaves a trace."""
    async with tx.as_platform() as session:
        after = {"status": decision.status, "reason": decision.reason, "by": decision.by}
        await audit.record(session, NOBODY, act, "test.effect", str(decided.id), None, after)


async def refusing(tx: Transaction, decided: Case, decision: Decision, act: Act) -> None:
    """An effect that finds that it can't be."""
    raise InvalidInput(reason="Not now.")


EFFECTS = dict.fromkeys(CaseKind, noted)


async def voted(
    database: Database,
    new: NewCase,
    actor: str,
    vote: Vote = Vote.APPROVE,
    effects: case_decision.Effects = EFFECTS,
) -> Case:
    return await database.run(
        actor,
        lambda tx: case_decision.decide(
            tx, new.merchant_id, new.id, vote, f"because {vote}", an_act(actor), effects=effects
        ),
    )


async def effects_of(database: Database) -> list[Mapping[str, Any] | None]:
    async with database.read("test") as tx, tx.as_platform() as session:
        return [each.after for each in await events(session, EVERYTHING, 100) if each.act == "test.effect"]


async def test_the_same_case_is_opened_once_and_keeps_what_came_later(database: Database) -> None:
    merchant = await a_merchant(database)
    new = a_case(merchant.id, currency="EUR", amount_minor=500, evidence=[Fact("line", "1"), Fact("line", "2")])
    again = replace(new, id=uuid4(), evidence=[Fact("line", "3")], amount_minor=700)
    assert await opened(database, new, "staff:1", as_merchant=True) == new.id
    assert await opened(database, again) == new.id
    seen, story = await found(database, merchant.id, new.id)
    assert (seen.status, seen.opened_by, seen.amount_minor) == (CaseStatus.OPEN, "staff:1", 500)
    assert seen.evidence == (Fact("line", "1"), Fact("line", "2"))
    assert [(each.seq, each.kind, each.actor) for each in story] == [(1, "open", "staff:1"), (2, "ask", "system:test")]
    assert story[1].evidence == (Fact("line", "3"), Fact("amount", "7.00 EUR"))


async def test_after_a_decision_the_same_is_another_case(database: Database) -> None:
    merchant = await a_merchant(database)
    new = a_case(merchant.id)
    await opened(database, new)
    assert (await voted(database, new, someone())).status is CaseStatus.APPROVED
    again = replace(new, id=uuid4())
    assert await opened(database, again) == again.id


async def test_of_many_who_open_the_same_at_once_one_opens_it(database: Database) -> None:
    merchant = await a_merchant(database)
    news = [a_case(merchant.id, subject_id="the same") for _ in range(5)]
    ids = await asyncio.gather(*(opened(database, new, as_merchant=number % 2 == 0) for number, new in enumerate(news)))
    assert len(set(ids)) == 1
    _, story = await found(database, merchant.id, ids[0])
    assert [each.seq for each in story] == [1, 2, 3, 4, 5]
    assert sorted(each.kind for each in story) == ["ask"] * 4 + ["open"]


async def test_an_approval_has_its_effect_and_is_told_to_the_merchant(database: Database) -> None:
    merchant, finance = await a_merchant(database), someone()
    new = a_case(merchant.id)
    await opened(database, new, "staff:1", as_merchant=True)
    decided = await voted(database, new, finance)
    assert (decided.status, decided.decision, decided.reason) == (CaseStatus.APPROVED, Vote.APPROVE, "because approve")
    assert (await found(database, merchant.id, new.id))[0] == decided
    assert await effects_of(database) == [{"status": "approved", "reason": "because approve", "by": finance}]
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        told = (await session.execute(select(outbox).where(outbox.c.kind == "case.decided"))).one()
    assert (told.facts["case"], told.words["reason"]) == (str(new.id), "because approve")


async def test_a_rejection_ends_a_case_that_needs_two(database: Database) -> None:
    merchant = await a_merchant(database)
    new = a_case(merchant.id, CaseKind.WRITE_OFF, currency="EUR", amount_minor=1)
    await opened(database, new)
    assert (await voted(database, new, someone())).status is CaseStatus.OPEN
    assert await effects_of(database) == []
    assert (await voted(database, new, someone(), Vote.REJECT)).status is CaseStatus.REJECTED
    assert [each and each["status"] for each in await effects_of(database)] == ["rejected"]
    with pytest.raises(CaseClosed):
        await voted(database, new, someone())


async def test_what_the_merchant_is_not_told_of_tells_it_nothing(database: Database) -> None:
    merchant = await a_merchant(database)
    new = a_case(merchant.id, CaseKind.BANK_DIFFERENCE)
    await opened(database, new)
    await voted(database, new, someone())
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        assert (await session.execute(select(outbox.c.id).where(outbox.c.kind.like("case.%")))).all() == []
        assert await case_list.find(session, merchant.id, new.id) is None
        assert await case_list.page(session, limit=10) == []
        assert [each.act for each in await events(session, EVERYTHING, 10)] == ["merchant.create"]


@pytest.mark.parametrize("vote", Vote)
async def test_who_opened_asked_or_caused_it_decides_nothing_whatever_they_act_as(
    database: Database, vote: Vote
) -> None:
    merchant, buyer, shop, planner, asker, late = await a_merchant(database), *(uuid4() for _ in range(5))
    new = a_case(merchant.id, parties=[f"buyer:{buyer}", f"platform:{planner}"])
    await opened(database, new, f"staff:{shop}", as_merchant=True)
    await opened(database, replace(new, id=uuid4(), parties=()), f"platform:{asker}")
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        act = an_act("system:test")
        await case.add_evidence(session, merchant.id, new.id, [Fact("it", "was")], act, parties=[f"staff:{late}"])
    for account in (buyer, shop, planner, asker, late):
        with pytest.raises(OwnAct):
            await voted(database, new, f"platform:{account}", vote)
    seen, story = await found(database, merchant.id, new.id)
    assert seen.status is CaseStatus.OPEN
    assert len(story) == 3
    await voted(database, new, someone(), vote)


async def test_a_buyer_who_opens_one_is_not_named_and_decides_nothing_either(database: Database) -> None:
    merchant, buyer = await a_merchant(database), await a_buyer(database)
    new = a_case(merchant.id, CaseKind.REFUND_APPROVAL)
    await opened(database, new, f"buyer:{buyer}", as_merchant=True)
    with pytest.raises(OwnAct):
        await voted(database, new, f"platform:{buyer}")
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        rows = (await session.execute(review_case.select())).all()
        (story,) = (await case_list.stories(session, await case_list.page(session, limit=5))).values()
    assert rows[0].opened_by == story[0].actor == "buyer"
    assert str(buyer) not in str(rows)
    assert str(buyer) not in str(story)


async def test_of_two_people_who_decide_at_once_one_has_the_effect(database: Database) -> None:
    merchant = await a_merchant(database)
    for number in range(5):
        new = a_case(merchant.id)
        await opened(database, new)
        outcomes = await asyncio.gather(
            *(voted(database, new, someone(), vote) for vote in (*Vote, Vote.APPROVE)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["Case", "CaseClosed", "CaseClosed"]
        assert len(await effects_of(database)) == number + 1


async def test_two_who_approve_at_once_are_enough_for_two(database: Database) -> None:
    merchant = await a_merchant(database)
    new = a_case(merchant.id, CaseKind.WRITE_OFF)
    await opened(database, new)
    one, other = someone(), someone()
    outcomes = await asyncio.gather(
        *(voted(database, new, actor) for actor in (one, one, other)), return_exceptions=True
    )
    (refused,) = (each for each in outcomes if isinstance(each, BaseException))
    assert isinstance(refused, VotedAlready | CaseClosed)
    assert sorted(each.status for each in outcomes if isinstance(each, Case)) == ["approved", "open"]
    assert len(await effects_of(database)) == 1
    _, story = await found(database, merchant.id, new.id)
    assert sorted(each.actor for each in story if each.kind is CaseAct.APPROVE) == sorted([one, other])


async def test_where_the_effect_is_refused_nothing_was_decided(database: Database) -> None:
    merchant = await a_merchant(database)
    new = a_case(merchant.id)
    await opened(database, new)
    with pytest.raises(InvalidInput):
        await voted(database, new, someone(), effects={new.kind: refusing})
    seen, story = await found(database, merchant.id, new.id)
    assert (seen.status, len(story)) == (CaseStatus.OPEN, 1)


async def test_what_is_withdrawn_has_no_effect_and_can_not_be_decided(database: Database) -> None:
    new = a_case(NOBODY, CaseKind.PAYOUT_UNKNOWN, subject_kind="Payout", subject_id="7")
    await opened(database, new)
    async with database.write("test") as tx, tx.as_platform() as session:
        assert await case_list.open_about(session, NOBODY, new.kind, "Payout", "8") is None
        about = await case_list.open_about(session, NOBODY, new.kind, "Payout", "7")
        assert about
        assert about.id == new.id
        await case_end.withdraw(session, NOBODY, new.id, "the bank has answered", an_act())
        assert await case_list.open_about(session, NOBODY, new.kind, "Payout", "7") is None
    seen, story = await found(database, NOBODY, new.id)
    assert (seen.status, seen.decision, seen.reason) == (CaseStatus.WITHDRAWN, None, "the bank has answered")
    assert [each.kind for each in story] == ["open", "withdraw"]
    with pytest.raises(CaseClosed):
        await voted(database, new, someone())
    assert await effects_of(database) == []


async def test_work_on_a_case_is_told_in_its_order_and_audited(database: Database) -> None:
    merchant, account = await a_merchant(database), uuid4()
    new, reviewer = a_case(merchant.id), await a_buyer(database, "reviewer@example.test")
    await opened(database, new, "staff:1", as_merchant=True)
    act = an_act(f"platform:{account}")
    async with database.write("test") as tx, tx.as_platform() as session:
        await staff.grant_platform_role(session, reviewer, PlatformRole.REVIEWER, an_act())
        await case.assign(session, merchant.id, new.id, reviewer, act)
        await case.comment(session, merchant.id, new.id, "looks odd", act)
        await case.add_evidence(session, merchant.id, new.id, [Fact("bank", "paid")], act)
        with pytest.raises(InvalidInput, match="permission"):
            await case.assign(session, merchant.id, new.id, account, act)
        with pytest.raises(NotFound):
            await case.comment(session, NOBODY, new.id, "nowhere", act)
    seen, story = await found(database, merchant.id, new.id)
    assert seen.owner == f"platform:{reviewer}"
    assert [each.kind for each in story] == ["open", "assign", "comment", "evidence"]
    assert (story[1].owner, story[2].text, story[3].evidence) == (seen.owner, "looks odd", (Fact("bank", "paid"),))
    async with database.read("test") as tx:
        async with tx.as_platform() as session:
            trail = await events(session, AuditFilter(merchants=[NOBODY], subject=str(new.id)), 20)
        async with tx.as_merchant(merchant.id) as merchants_own:
            own = [each.act for each in await events(merchants_own, EVERYTHING, 20)]
            (told,) = (await case_list.stories(merchants_own, [seen])).values()
    assert sorted(each.act for each in trail) == ["case.assign", "case.comment", "case.evidence"]
    assert {each.after["merchant"] for each in trail if each.after} == {str(merchant.id)}
    assert sorted(own) == ["case.open", "merchant.create"]
    assert [each.kind for each in told] == ["open"]


async def test_a_merchant_opens_and_sees_its_own_cases_and_changes_none(database: Database) -> None:
    kites, boats = await a_merchant(database), await a_merchant(database)
    new = a_case(kites.id)
    await opened(database, new, "staff:1", as_merchant=True)
    async with database.write("test") as tx, tx.as_merchant(boats.id) as session:
        assert await case_list.page(session, limit=10, merchant_id=kites.id) == []
        assert await case_list.find(session, kites.id, new.id) is None
        with pytest.raises(NotFound):
            await case.comment(session, kites.id, new.id, "I was here", an_act())
    with pytest.raises(DBAPIError) as foreign:
        async with database.write("test") as tx, tx.as_merchant(boats.id) as session:
            await case.open_case(session, a_case(kites.id), an_act())
    with pytest.raises(DBAPIError) as deciding:
        async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
            await session.execute(update(review_case).values(status="approved", decided_at=NOON))
    assert sqlstate(foreign.value) == sqlstate(deciding.value) == REFUSED


def ids(cases: Sequence[Case]) -> list[UUID]:
    return [each.id for each in cases]


async def test_cases_are_paged_newest_first_and_filtered(database: Database) -> None:
    merchant = await a_merchant(database)
    kinds = [CaseKind.STATEMENT_OBJECTION, CaseKind.BANK_DIFFERENCE, CaseKind.STATEMENT_OBJECTION]
    news = [a_case(merchant.id, kind) for kind in kinds] + [a_case(NOBODY, CaseKind.OTHER)]
    async with database.write("test") as tx, tx.as_platform() as session:
        for number, new in enumerate(news):
            await case.open_case(session, new, an_act(at=NOON + timedelta(hours=number)))
        await case_end.withdraw(session, merchant.id, news[0].id, "a mistake", an_act())
    newest = [new.id for new in reversed(news)]
    async with database.read("test") as tx, tx.as_platform() as session:
        page = await case_list.page(session, limit=2)
        assert ids(page) == newest[:2]
        rest = await case_list.page(session, limit=10, after=(page[1].opened_at, page[1].id))
        assert ids(rest) == newest[2:]
        assert ids(await case_list.page(session, limit=10, statuses=[CaseStatus.WITHDRAWN])) == [news[0].id]
        assert ids(await case_list.page(session, limit=10, kinds=[CaseKind.OTHER])) == [news[3].id]
        assert ids(await case_list.page(session, limit=10, merchant_id=merchant.id)) == newest[1:]
        assert await case_list.page(session, limit=10, owner=someone()) == []
        assert await case_list.page(session, limit=10, statuses=[]) == []
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as own:
        assert ids(await case_list.page(own, limit=10)) == [news[2].id, news[0].id]
