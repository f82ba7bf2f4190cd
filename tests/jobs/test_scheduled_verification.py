"""Everything is verified once a day: the result is kept, and people are asked once about what is wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest

from merchantry.domain.case import CaseKind, CaseStatus, Vote
from merchantry.domain.verification import VerificationStatus, last_due
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import scheduled_verification
from merchantry.jobs.scheduled_verification import UNREADABLE, Stopped, verify, verify_if_due
from merchantry.jobs.sequencing import sequence_all
from merchantry.jobs.tools import Tools
from merchantry.services import case_decision, case_list, restoring, verification_run
from merchantry.services.case import Case
from merchantry.services.case_effects import EFFECTS
from merchantry.services.health import VERIFICATION
from merchantry.services.verification_run import Finding, TakenOver, Verification
from tenancy.database import Database
from tenancy.principals import Merchant
from tenancy.schemas import schema_of
from tests.builders import NOON, a_merchant, a_vault, an_act
from tests.jobs.witnesses import KEYS
from tests.services.stall import a_stall

DAY = timedelta(days=1)
CLEAN, BROKEN = VerificationStatus.CLEAN, VerificationStatus.BROKEN


@dataclass
class Watch:
    """A merchant that sold, one that did not, all of it signed, and a worker that verifies."""

    database: Database
    seller: Merchant
    other: Merchant
    now: datetime = NOON

    @property
    def tools(self) -> Tools:
        """What the worker has."""
        gateway = Sandbox(self.database, lambda: self.now, "")
        return Tools(self.database, gateway, lambda: self.now, a_vault(), log_keys=KEYS, verify_at=time(3))

    async def verify(self, is_ended: Callable[[], bool] = lambda: False) -> Verification:
        found = await verify(self.tools, is_ended)
        assert found is not None
        return found

    async def findings(self, run: Verification) -> list[Finding]:
        async with self.database.read("test") as tx, tx.as_platform() as session:
            return (await verification_run.findings_of(session, [run.id], limit=100))[run.id]

    async def cases(self) -> list[Case]:
        async with self.database.read("test") as tx, tx.as_platform() as session:
            return await case_list.page(session, limit=5, kinds=[CaseKind.LAW_BROKEN])

    async def facts_of(self, found: Case) -> list[str]:
        """What the case was told after its opening."""
        async with self.database.read("test") as tx, tx.as_platform() as session:
            story = (await case_list.stories(session, [found]))[found.id]
        return [fact.value for each in story[1:] for fact in each.evidence]

    def tamper(self, merchant: Merchant, change: str) -> None:
        """As the owner of everything; ``{m}`` is the merchant's schema."""
        with psycopg.connect(self.database.logins.owner) as connection:
            connection.execute(change.replace("{m}", schema_of(merchant.id)).encode())


@pytest.fixture
async def watch(database: Database) -> Watch:
    """All is well, and signed."""
    stall = await a_stall(database)
    await stall.sell()
    other = await a_merchant(database)
    await sequence_all(database, KEYS, NOON)
    return Watch(database, stall.merchant, other)


async def test_what_is_right_is_stored_as_clean(watch: Watch) -> None:
    run = await watch.verify()
    assert (run.status, run.broken, run.case_id) == (CLEAN, 0, None)
    assert (run.merchants, run.merchants_done, run.merchants_skipped) == (2, 2, 0)
    assert (run.entries, run.heads) == (1, 1)
    assert run.log_size is not None
    assert run.log_size >= 1
    assert await watch.cases() == []
    async with watch.database.read("test") as tx, tx.as_platform() as session:
        assert await verification_run.last(session) == run


async def test_a_changed_entry_is_stored_named_and_asked_about_once(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.ledger_entry SET occurred_at = now() WHERE seq = 1")
    run = await watch.verify()
    assert run.status is BROKEN
    found = await watch.findings(run)
    assert {each.merchant for each in found} == {watch.seller.slug}
    assert ("a leaf is made of its entry as it is stored", "entry 1") in {(each.law, each.subject) for each in found}
    [asked] = await watch.cases()
    assert (asked.id, asked.status) == (run.case_id, CaseStatus.OPEN)
    assert any("entry 1" in fact.value for fact in asked.evidence)

    watch.now += DAY
    again = await watch.verify()
    assert (again.status, again.case_id) == (BROKEN, asked.id)
    assert len(await watch.cases()) == 1
    assert await watch.facts_of(asked) == []

    watch.tamper(watch.other, "INSERT INTO {m}.balance VALUES ('merchant_available', 'BRL', 1)")
    watch.now += DAY
    assert (await watch.verify()).case_id == asked.id
    assert len(await watch.cases()) == 1
    told = await watch.facts_of(asked)
    assert any("balance merchant_available BRL" in each for each in told)
    assert not any("entry 1" in each for each in told)


async def test_what_is_still_wrong_when_its_case_was_decided_is_asked_about_again(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    first = await watch.verify()
    [asked] = await watch.cases()
    act = an_act(f"platform:{uuid4()}", at=watch.now)
    async with watch.database.write("test") as tx:
        vote = (asked.merchant_id, asked.id, Vote.APPROVE, "seen", act)
        await case_decision.decide(tx, *vote, effects=EFFECTS)
    watch.now += DAY
    second = await watch.verify()
    assert second.case_id not in (None, first.case_id)
    assert len(await watch.cases()) == 2


async def test_a_case_settles_itself_once_a_later_look_finds_nothing_of_it(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    await watch.verify()
    [asked] = await watch.cases()
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value - 1 WHERE name = 'entry'")
    watch.now += DAY
    assert (await watch.verify()).status is CLEAN
    [settled] = await watch.cases()
    assert (settled.id, settled.status, settled.decided_at) == (asked.id, CaseStatus.SETTLED, watch.now)
    assert settled.reason == "A later verification found that these laws are kept again."
    assert any("2 merchants, 1 entries" in each for each in await watch.facts_of(settled))
    watch.now += DAY
    assert (await watch.verify()).case_id is None
    assert len(await watch.cases()) == 1


async def test_other_findings_settle_a_case_and_open_another(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    first = await watch.verify()
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value - 1 WHERE name = 'entry'")
    watch.tamper(watch.other, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    watch.now += DAY
    second = await watch.verify()
    states = {each.id: each.status for each in await watch.cases()}
    assert states == {first.case_id: CaseStatus.SETTLED, second.case_id: CaseStatus.OPEN}


async def test_the_same_law_broken_at_another_row_keeps_a_case_open(watch: Watch) -> None:
    watch.tamper(watch.seller, "INSERT INTO {m}.balance VALUES ('merchant_available', 'BRL', 1)")
    first = await watch.verify()
    watch.tamper(watch.seller, "DELETE FROM {m}.balance WHERE account = 'merchant_available'")
    watch.tamper(watch.seller, "INSERT INTO {m}.balance VALUES ('merchant_reserved', 'BRL', 1)")
    watch.now += DAY
    assert (await watch.verify()).case_id == first.case_id
    [asked] = await watch.cases()
    assert asked.status is CaseStatus.OPEN


async def test_a_look_that_left_a_merchant_out_settles_nothing(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    await watch.verify()
    async with watch.database.write("test") as tx, tx.as_platform() as session:
        await restoring.begin(session, watch.seller.id, "x.mbackup", NOON, an_act())
    watch.now += DAY
    assert (await watch.verify()).status is CLEAN
    [asked] = await watch.cases()
    assert asked.status is CaseStatus.OPEN


async def test_what_people_have_decided_is_not_settled_again(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    await watch.verify()
    [asked] = await watch.cases()
    async with watch.database.write("test") as tx:
        vote = (asked.merchant_id, asked.id, Vote.APPROVE, "mended", an_act(f"platform:{uuid4()}", at=watch.now))
        await case_decision.decide(tx, *vote, effects=EFFECTS)
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value - 1 WHERE name = 'entry'")
    watch.now += DAY
    assert (await watch.verify()).status is CLEAN
    [decided] = await watch.cases()
    assert (decided.status, decided.reason) == (CaseStatus.APPROVED, "mended")


async def test_a_row_that_can_not_be_read_is_a_finding_and_hides_no_other_merchant(watch: Watch) -> None:
    watch.tamper(watch.seller, "DROP TABLE {m}.balance CASCADE")
    watch.tamper(watch.other, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    found = await watch.findings(await watch.verify())
    unreadable = [each for each in found if each.law == UNREADABLE]
    assert [(each.merchant, each.subject) for each in unreadable] == [(watch.seller.slug, "its books")]
    assert watch.other.slug in {each.merchant for each in found}


async def test_rights_that_are_not_as_declared_are_a_finding(watch: Watch) -> None:
    watch.tamper(watch.seller, "GRANT DELETE ON platform.log_leaf TO merchantry_platform")
    [found] = await watch.findings(await watch.verify())
    assert (found.merchant, found.law) == ("platform", scheduled_verification.RIGHTS)


async def test_a_merchant_that_is_being_restored_is_skipped(watch: Watch) -> None:
    async with watch.database.write("test") as tx, tx.as_platform() as session:
        await restoring.begin(session, watch.seller.id, "x.mbackup", NOON, an_act())
    run = await watch.verify()
    assert (run.status, run.merchants_done, run.merchants_skipped) == (CLEAN, 1, 1)


async def test_what_was_stopped_goes_on_behind_the_last_merchant(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")

    def has_one() -> bool:
        with psycopg.connect(watch.database.logins.owner) as connection:
            return connection.execute("SELECT merchants_done FROM platform.verification").fetchone() == (1,)

    with pytest.raises(Stopped):
        await watch.verify(has_one)
    assert await verify(watch.tools) is None  # somebody may still be at it
    watch.now += verification_run.STALE_AFTER + timedelta(seconds=1)
    run = await watch.verify()
    assert (run.started_at, run.status, run.merchants_done) == (NOON, BROKEN, 2)
    subjects = [each.subject for each in await watch.findings(run)]
    assert sorted(set(subjects)) == sorted(subjects)


async def test_who_was_taken_for_dead_writes_nothing_more(watch: Watch) -> None:
    async with watch.database.write("test") as tx, tx.as_platform() as session:
        slow = await verification_run.begin(session, uuid4(), NOON)
    assert slow is not None
    watch.now += 2 * verification_run.STALE_AFTER
    run = await watch.verify()
    assert (run.id, run.status) == (slow.id, CLEAN)
    async with watch.database.write("test") as tx, tx.as_platform() as session:
        with pytest.raises(TakenOver):
            await verification_run.add(session, slow, [], NOON)


async def test_it_is_due_once_a_day_and_never_where_it_is_off(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE platform.merchant SET created_at = '2026-03-01T00:00:00Z'")
    assert await verify_if_due(replace(watch.tools, verify_at=None)) is None
    assert await verify_if_due(watch.tools) is not None
    watch.now += timedelta(hours=3)
    assert await verify_if_due(watch.tools) is None
    watch.now += DAY
    assert await verify_if_due(watch.tools) is not None


async def test_alarms_can_read_what_it_came_to(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'")
    run = await watch.verify()
    with psycopg.connect(watch.database.logins.listen) as connection:
        connection.execute("SET ROLE merchantry_platform")
        row = connection.execute(VERIFICATION.encode()).fetchone()
    assert row is not None
    assert row[1] == run.broken


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-02T02:59:00+00:00", "2026-03-01T03:00:00+00:00"),
        ("2026-03-02T03:00:00+00:00", "2026-03-02T03:00:00+00:00"),
        ("2026-03-29T00:30:00+00:00", "2026-03-28T02:30:00+00:00"),
    ],
)
def test_the_last_time_of_day_is_not_after_now(now: str, due: str) -> None:
    zone, at = ("Europe/Berlin", time(3, 30)) if due.endswith("02:30:00+00:00") else ("UTC", time(3))
    assert last_due(datetime.fromisoformat(now), at, ZoneInfo(zone)) == datetime.fromisoformat(due).astimezone(UTC)


async def test_a_worker_looks_until_it_is_stopped(watch: Watch) -> None:
    watch.tamper(watch.seller, "UPDATE platform.merchant SET created_at = '2026-03-01T00:00:00Z'")
    stop = asyncio.Event()
    looking = asyncio.create_task(scheduled_verification.verify_forever(watch.tools, stop, look_every_seconds=0.05))
    async with asyncio.timeout(30):
        while await ended(watch.database) is None:  # noqa: ASYNC110  # nobody tells of its end
            await asyncio.sleep(0.05)
        stop.set()
        await looking
    await scheduled_verification.verify_forever(replace(watch.tools, verify_at=None), asyncio.Event())


async def ended(database: Database) -> Verification | None:
    async with database.read("test") as tx, tx.as_platform() as session:
        return await verification_run.last(session)
