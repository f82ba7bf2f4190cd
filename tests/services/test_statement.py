"""Statements once they are closed: built again the same, previewed, accepted, objected to."""

from datetime import timedelta

import pytest

from merchantry.domain import statement as statements
from merchantry.domain.errors import NotFound, StatementDecided
from merchantry.services import payout, settlement, statement
from merchantry.services.settlement import Conditions
from merchantry.services.statement import ClosedStatement, Objection
from tenancy.database import Database
from tests.builders import NOON, an_act
from tests.services.books import Shelf, a_shelf
from tests.services.test_settlement import local, payouts

DAY = timedelta(days=1)
WEEKS_END = local(2026, 3, 9)


async def conditions_of(shelf: Shelf) -> Conditions:
    async with shelf.database.read("test") as tx, tx.as_platform() as platform:
        return await settlement.conditions_of(platform, shelf.merchant.id, NOON)


async def a_closed_week(database: Database, amount_minor: int = 500) -> tuple[Shelf, ClosedStatement]:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(amount_minor, local(2026, 3, 3), 50)
    await shelf.close(WEEKS_END)
    async with database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        return shelf, (await statement.page(session, limit=1))[0]


async def object_to(shelf: Shelf, closed: ClosedStatement, amount_minor: int, days: int = 1) -> Objection:
    conditions = await conditions_of(shelf)
    async with shelf.database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        act = an_act("staff:somebody", WEEKS_END + days * DAY)
        return await statement.object_to(session, conditions, closed.id, amount_minor, "a parcel is missing", act)


async def test_a_statement_built_again_from_the_ledger_has_the_hash_that_was_frozen(database: Database) -> None:
    shelf, _ = await a_closed_week(database)
    await shelf.take(10, local(2026, 3, 4), booked_at=local(2026, 3, 10))
    await shelf.close(local(2026, 3, 16))
    async with database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        for kept in await statement.page(session, limit=10):
            again = await statement.rebuilt(session, kept.id)
            assert statements.content_hash(again) == kept.content_hash
            lines = await statement.lines(session, kept.id, limit=10)
            assert [line.text for line in lines] == [line.text for line in again.lines]
            assert kept.opening_minor + sum(line.amount_minor for line in lines) == kept.closing_minor


async def test_lines_and_statements_are_read_in_pages(database: Database) -> None:
    shelf = await a_shelf(database)
    for days in range(15):
        await shelf.sell(1, local(2026, 3, 2) + days * DAY)
    await shelf.close(local(2026, 3, 23))
    async with database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        first = await statement.page(session, limit=2)
        rest = await statement.page(session, limit=2, after=first[-1].cursor)
        assert [each.entries for each in (*first, *rest)] == [1, 7, 7]
        lines = await statement.lines(session, first[1].id, limit=4)
        more = await statement.lines(session, first[1].id, limit=9, after=lines[-1].cursor)
        assert len({line.entry_seq for line in (*lines, *more)}) == 7


async def test_the_open_period_is_previewed_and_nothing_is_frozen(database: Database) -> None:
    shelf, _ = await a_closed_week(database)
    await shelf.sell(70, local(2026, 3, 10))
    conditions = await conditions_of(shelf)
    async with database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        [preview] = await statement.preview(session, conditions, local(2026, 3, 11))
    assert (preview.opening_minor, preview.closing_minor) == (500, 70)
    assert preview.kinds == {"payout": [1, -500], "release": [1, 70]}
    assert preview.period.ends_at == local(2026, 3, 16)
    assert len(await shelf.statements()) == 1


async def test_only_what_is_objected_to_is_held_and_the_rest_is_paid(database: Database) -> None:
    shelf, closed = await a_closed_week(database)
    objection = await object_to(shelf, closed, 120)
    assert (objection.held_minor, objection.statement.status) == (120, "objected")
    assert [(row.status, row.amount_minor) for row in await payouts(shelf)] == [("cancelled", 500), ("planned", 380)]
    balances = await shelf.balances()
    assert (balances["merchant_held"], balances["in_payout"]) == (120, 380)
    assert balances.get("merchant_available", 0) == 0


@pytest.mark.parametrize("given_minor", [0, 75])
async def test_a_decided_objection_frees_what_was_held_and_corrects_the_open_period(
    database: Database, given_minor: int
) -> None:
    shelf, closed = await a_closed_week(database)
    objection = await object_to(shelf, closed, 120)
    act = an_act("platform:reviewer", WEEKS_END + 2 * DAY)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        await statement.decide_objection(
            session, closed.id, objection, given_minor=given_minor, reason="the carrier confirmed it", act=act
        )
    assert (await shelf.balances()).get("merchant_available", 0) == 120 + given_minor
    await shelf.close(local(2026, 3, 16))
    first, second = await shelf.statements()
    assert (first.closing_minor, first.status) == (500, "accepted")
    assert second.closing_minor == 120 + given_minor


async def test_an_objection_to_money_that_is_on_its_way_holds_nothing(database: Database) -> None:
    shelf, closed = await a_closed_week(database)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        [planned] = await payouts(shelf)
        await payout.begin(session, planned.id, None, an_act(at=WEEKS_END))
    objection = await object_to(shelf, closed, 120)
    assert objection.held_minor == 0
    assert [row.amount_minor for row in await payouts(shelf)] == [500]


async def test_silence_accepts_and_then_nothing_can_be_objected_to(database: Database) -> None:
    shelf, closed = await a_closed_week(database)
    with pytest.raises(StatementDecided):
        await object_to(shelf, closed, 1, days=14)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        accepted = await statement.accept(session, closed.id, an_act(at=closed.accept_by))
        assert accepted.status == "accepted"
        with pytest.raises(StatementDecided):
            await statement.accept(session, closed.id, an_act())


async def test_a_statement_of_another_merchant_is_not_found(database: Database) -> None:
    _, closed = await a_closed_week(database)
    other, own = await a_closed_week(database)
    async with database.write("test") as tx, tx.as_merchant(other.merchant.id) as session:
        assert (await statement.find(session, own.id)).id == own.id
        for act in (statement.find, statement.rebuilt):
            with pytest.raises(NotFound):
                await act(session, closed.id)
        with pytest.raises(NotFound):
            await statement.accept(session, closed.id, an_act())


async def test_a_reserve_is_available_again_once(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.set_terms(reserve_bps=1_000, reserve_days=30)
    await shelf.sell(1_000, local(2026, 3, 3))
    await shelf.close(WEEKS_END)
    [closed] = await shelf.statements()
    for expected in (True, False):
        async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
            act = an_act(at=WEEKS_END + 30 * DAY)
            assert await statement.release_reserve(session, closed.id, act) is expected
    assert await shelf.balances() == {
        "buyer_funds": -1_000,
        "merchant_available": 1_000,
    }
