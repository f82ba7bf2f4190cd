"""The mall may ask that entries are in the public log before statements close over them and payouts are sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from merchantry.jobs import settlement as settling
from merchantry.jobs.sequencing import sequence_all
from merchantry.services import log_requirement
from merchantry.services.log_requirement import LogRequirement
from tenancy.database import Database
from tests.builders import an_act
from tests.jobs.paying import Desk
from tests.jobs.witnesses import KEYS, Auditor, a_policy, ask_all, auditors
from tests.services.test_settlement import local


async def require(database: Database, wanted: LogRequirement) -> None:
    async with database.write("test") as tx, tx.as_platform() as session:
        await log_requirement.choose(session, wanted, "a test", an_act("platform:admin"))


@pytest.fixture
def auditor(tmp_path: Path) -> Iterator[Auditor]:
    with auditors(tmp_path, "anna") as (anna,):
        yield anna


async def test_a_statement_closes_and_its_payout_is_sent_only_once_witnesses_have_confirmed(
    database: Database, tmp_path: Path, auditor: Auditor
) -> None:
    desk, policy = Desk(database, tmp_path), a_policy(1, auditor.seat)
    shelf = await desk.a_shelf()
    await require(database, LogRequirement.CONFIRMED)
    await desk.work(minutes=1)
    assert await desk.status(shelf) == ("planned", 0)
    await sequence_all(database, KEYS, desk.now)
    await desk.work(minutes=1)
    assert await desk.status(shelf) == ("planned", 0)  # signed, and not confirmed
    assert await ask_all(database, policy) == []
    await desk.work(minutes=60)
    assert (await desk.status(shelf))[0] == "sent"

    until = local(2026, 3, 16)
    await shelf.sell(700, local(2026, 3, 11), currency="EUR")
    desk.now = until
    for _ in range(2):
        tally = await settling.run(desk.tools, until, an_act(at=until, booked_at=until))
        assert tally.statements == 0
        [(slug, reason)] = tally.failures
        assert slug == shelf.merchant.slug
        assert "public log" in reason
        await sequence_all(database, KEYS, desk.now)
    assert await ask_all(database, policy) == []
    tally = await settling.run(desk.tools, until, an_act(at=until, booked_at=until))
    assert (tally.statements, tally.failures) == (1, [])


async def test_signed_is_enough_where_the_mall_asks_for_no_more(database: Database, tmp_path: Path) -> None:
    desk = Desk(database, tmp_path)
    shelf = await desk.a_shelf()
    await require(database, LogRequirement.SIGNED)
    await desk.work()
    assert (await desk.status(shelf))[0] == "planned"
    await sequence_all(database, KEYS, desk.now)
    await desk.work(minutes=60)
    assert (await desk.status(shelf))[0] == "sent"


async def test_periods_that_are_closed_late_do_not_wait_for_what_closing_them_books(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk(database, tmp_path)
    shelf = await desk.a_shelf()
    await shelf.set_terms(reserve_bps=1_000, reserve_days=90)
    await require(database, LogRequirement.SIGNED)
    for day in (10, 17):
        await shelf.sell(700, local(2026, 3, day), currency="EUR")
    await sequence_all(database, KEYS, desk.now)
    until = desk.now = local(2026, 3, 23)
    act = an_act(at=until, booked_at=until)
    first = await settling.run(desk.tools, until, act)
    assert first.statements == 1  # the second claims the reserve of the first, which is not in the log yet
    assert len(first.failures) == 1
    await sequence_all(database, KEYS, desk.now)
    second = await settling.run(desk.tools, until, act)
    assert (second.statements, second.failures) == (1, [])
