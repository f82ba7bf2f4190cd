"""A merchant leaves: it sells no more, is settled with for the last time, and its books can only be read."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Executable, delete, insert, select, update
from sqlalchemy.exc import ProgrammingError

from merchantry.domain.case import CaseKind, Vote
from merchantry.domain.errors import CheckoutRejected, InvalidInput, MerchantClosed
from merchantry.domain.order import OrderStatus
from merchantry.domain.payout import Word
from merchantry.domain.winding_up import CHARGEBACK_WINDOW, Obstacle
from merchantry.jobs.winding_up import Finished, finish
from merchantry.services import case, case_decision, debt, payee, payout, refund, sealing, statement, winding_up
from merchantry.services import merchant as merchants
from merchantry.services.case import NewCase
from merchantry.services.case_effects import EFFECTS
from merchantry.services.payout import Told
from merchantry.services.queue import JobKind
from merchantry.tables.merchant import counter, orders, product, shipment
from merchantry.tables.payout import payout as payout_table
from merchantry.tables.platform import audit_event, job
from tenancy.database import Database
from tenancy.schemas import schema_of
from tests.builders import an_act
from tests.services.books import Shelf
from tests.services.stall import DAY, Stall, a_stall, check_books
from tests.tenancy.catalogue import facts

MOMENT = timedelta(minutes=1)


@dataclass
class Leaving:
    """A merchant that is to leave, and what it goes through."""

    stall: Stall
    shelf: Shelf

    @property
    def merchant_id(self) -> UUID:
        return self.stall.merchant.id

    async def close(self) -> None:
        async with self.stall.database.write("test") as tx, tx.as_platform() as session:
            await winding_up.begin(session, self.merchant_id, "retires", an_act(at=self.stall.now))

    async def finish(self, *, keep_debt: bool = False) -> Finished:
        return await finish(self.stall.database, self.merchant_id, an_act(at=self.stall.now), keep_debt=keep_debt)

    async def obstacles(self) -> list[str]:
        return [each.obstacle.value for each in (await self.finish()).blockers]

    async def pay_out(self, word: Word = Word.PAID) -> UUID:
        """The provider does as it was asked for the payout that is planned; the transfer's key."""
        [planned] = [row for row in await self.payouts() if row.status == "planned"]
        async with self.stall.database.write("test") as tx, tx.as_merchant(self.merchant_id) as session:
            act = an_act(at=self.stall.now)
            [transfer] = await payout.begin(session, planned.id, None, act)
            await payout.mark_asked(session, [transfer.key], act)
            await payout.hear_of(session, transfer.key, Told(word), act)
        await self.dequeue()
        return transfer.key

    async def dequeue(self) -> None:
        """No worker is there to send payouts."""
        async with self.stall.database.write("test") as tx, tx.as_platform() as session:
            await session.execute(job.delete().where(job.c.kind == JobKind.PAYOUT_SEND))

    async def accept(self) -> None:
        """The merchant agrees to all its statements."""
        for each in await self.shelf.statements():
            if each.status == "issued":
                async with self.stall.database.write("test") as tx, tx.as_merchant(self.merchant_id) as session:
                    await statement.accept(session, each.id, an_act(at=self.stall.now))

    async def payouts(self) -> list[Any]:
        async with self.stall.database.read("test") as tx, tx.as_merchant(self.merchant_id) as session:
            return list(await session.execute(select(payout_table).order_by(payout_table.c.number)))

    async def status(self) -> str:
        async with self.stall.database.read("test") as tx, tx.as_platform() as session:
            [found] = await merchants.by_ids(session, [self.merchant_id])
            return found.merchant.status

    def rights(self) -> list[Any]:
        """Who may do what in the schema, as the catalogue says."""
        with psycopg.connect(self.stall.database.logins.owner) as connection:
            return [each for each in facts(connection, schema_of(self.merchant_id)) if each[0] == "grant"]


async def a_leaving(database: Database, *, account: bool = True) -> Leaving:
    stall = await a_stall(database)
    shelf = Shelf(database, stall.merchant)
    if account:
        await shelf.add_account()
    return Leaving(stall, shelf)


async def test_a_closing_merchant_sells_nothing_and_ships_what_it_sold(database: Database) -> None:
    leaving = await a_leaving(database)
    sold = await leaving.stall.sell()
    await leaving.close()
    await leaving.close()
    assert await leaving.status() == "closing"
    with pytest.raises(CheckoutRejected, match="takes no orders"):
        await leaving.stall.sell()
    await leaving.stall.ship(sold)
    assert (await leaving.stall.order(sold)).status is OrderStatus.SHIPPED
    async with database.write("test") as tx, tx.as_platform() as session:
        with pytest.raises(InvalidInput, match="closing"):
            await merchants.set_status(session, leaving.stall.merchant.slug, "active", an_act())


async def test_a_merchant_is_settled_with_once_everything_has_ended_and_closed_once_it_is_paid(
    database: Database,
) -> None:
    leaving = await a_leaving(database)
    stall = leaving.stall
    await leaving.shelf.set_terms(minimum_minor={"BRL": 10**9})
    sold = await stall.sell()
    captured_at = stall.now
    await leaving.close()
    assert await leaving.obstacles() == ["open_order", "return_window", "chargeback_window"]
    await stall.complete(sold)
    assert await leaving.obstacles() == ["hold", "return_window", "chargeback_window"]
    stall.now += 7 * DAY
    await stall.work()
    assert await leaving.obstacles() == ["return_window", "chargeback_window"]
    stall.now = captured_at + CHARGEBACK_WINDOW - MOMENT
    assert await leaving.obstacles() == ["chargeback_window"]
    await leaving.shelf.close(stall.now)
    assert await leaving.payouts() == [], "it is below the minimum, and carried"
    await leaving.shelf.set_terms(reserve_bps=1_000, reserve_days=90)

    stall.now += MOMENT
    first = await leaving.finish()
    assert (len(first.settled.statements), len(first.settled.payouts), first.is_closed) == (1, 1, False)
    [_, last] = await leaving.shelf.statements()
    assert (last.ends_at, last.closing_minor) == (stall.now, 8_750)
    [planned] = await leaving.payouts()
    assert planned.amount_minor == 8_750, "whatever the minimum, and without a reserve"
    await check_books(database)
    assert await leaving.obstacles() == ["open_payout"]
    await leaving.pay_out()
    assert await leaving.obstacles() == ["undecided_statement"]
    await leaving.accept()

    done = await leaving.finish()
    assert (done.is_closed, done.blockers, done.settled.statements) == (True, (), [])
    assert await leaving.status() == "closed"
    assert len(await leaving.shelf.statements()) == 2
    await check_books(database)


async def test_every_way_to_be_open_is_told(database: Database) -> None:
    leaving = await a_leaving(database)
    sold = await leaving.stall.sell()
    async with database.write("test") as tx:
        await refund.cancel(tx, leaving.merchant_id, sold, "no", an_act())
        async with tx.as_platform() as session:
            new = NewCase(CaseKind.OTHER, leaving.merchant_id, "Merchant", "1", "Look")
            await case.open_case(session, new, an_act())
    await leaving.close()
    leaving.stall.now += 121 * DAY
    assert await leaving.obstacles() == ["open_refund", "open_case"]


async def test_a_merchant_that_never_sold_is_closed_at_once(database: Database) -> None:
    leaving = await a_leaving(database)
    await leaving.close()
    assert (await leaving.finish()).is_closed
    assert await leaving.shelf.statements() == []
    with pytest.raises(MerchantClosed):
        await leaving.close()
    with pytest.raises(InvalidInput):
        await leaving.finish()


async def test_only_a_closing_merchant_is_finished_with(database: Database) -> None:
    leaving = await a_leaving(database)
    with pytest.raises(InvalidInput, match="close it first"):
        await leaving.finish()
    assert not sealing.seal(database.logins.owner, leaving.merchant_id, lambda: True, an_act())


async def test_a_closed_schema_can_be_read_and_not_written(database: Database) -> None:
    leaving = await a_leaving(database)
    before = leaving.rights()
    await leaving.close()
    assert (await leaving.finish()).is_closed
    assert await leaving.stall.balances() == {}
    writes: list[Executable] = [
        insert(counter).values(name="x", value=1),
        update(shipment).values(delivered_at=None),
        delete(product),
        select(orders).with_for_update(),
    ]
    for each in writes:
        async with database.write("test") as tx, tx.as_merchant(leaving.merchant_id) as session:
            with pytest.raises(ProgrammingError, match="permission denied"):
                async with session.savepoint():
                    await session.execute(each)
    sealing.reopen(database.logins.owner, leaving.merchant_id, "a parcel came back", an_act())
    assert leaving.rights() == before, "as they were, to the column"
    assert await leaving.status() == "closing"


async def test_a_debt_stays_a_receivable_where_that_is_said(database: Database) -> None:
    leaving = await a_leaving(database)
    await leaving.shelf.take(700, leaving.stall.now)
    await leaving.close()
    leaving.stall.now += DAY
    assert [each.closing_minor for each in await leaving.shelf.statements()] == []
    assert await leaving.obstacles() == ["debt", "undecided_statement"]
    assert [each.closing_minor for each in await leaving.shelf.statements()] == [-700]
    await leaving.accept()
    [debt] = (await leaving.finish()).blockers
    assert (debt.obstacle, debt.currency, debt.amount_minor) == (Obstacle.DEBT, "BRL", 700)
    assert (await leaving.finish(keep_debt=True)).is_closed
    assert (await leaving.shelf.balances())["merchant_available"] == -700


async def test_a_debt_that_two_people_write_off_stands_on_one_more_statement(database: Database) -> None:
    leaving = await a_leaving(database)
    await leaving.shelf.take(700, leaving.stall.now)
    await leaving.close()
    leaving.stall.now += DAY
    await leaving.finish()
    async with database.write("test") as tx:
        proposed = an_act("platform:fin", leaving.stall.now)
        case_id = await debt.propose_write_off(tx, leaving.merchant_id, "BRL", "gone", proposed)
    for person in ("platform:flo", "platform:rev"):
        assert await leaving.obstacles() == ["open_case"]
        async with database.write("test") as tx:
            voter = an_act(person, leaving.stall.now)
            asked = (tx, leaving.merchant_id, case_id, Vote.APPROVE, "gone", voter)
            await case_decision.decide(*asked, effects=EFFECTS)
    leaving.stall.now += DAY
    assert await leaving.obstacles() == ["undecided_statement"]
    assert [each.closing_minor for each in await leaving.shelf.statements()] == [-700, 0]
    await leaving.accept()
    assert (await leaving.finish()).is_closed
    await check_books(database)


async def test_money_without_an_account_to_pay_it_to_waits_for_one(database: Database) -> None:
    leaving = await a_leaving(database, account=False)
    await leaving.stall.release(await leaving.stall.sell())
    await leaving.close()
    leaving.stall.now += 121 * DAY
    assert await leaving.obstacles() == ["not_paid_out", "undecided_statement"]
    leaving.stall.now += DAY
    assert await leaving.obstacles() == ["not_paid_out", "undecided_statement"]
    assert len(await leaving.shelf.statements()) == 1, "no period is cut for nothing"
    await leaving.shelf.add_account()
    assert await leaving.obstacles() == ["open_payout"]
    assert [row.amount_minor for row in await leaving.payouts()] == [8_750]
    await check_books(database)


async def test_a_payout_that_comes_back_after_the_end_opens_the_books_again(database: Database) -> None:
    leaving = await a_leaving(database)
    await leaving.stall.release(await leaving.stall.sell())
    await leaving.close()
    leaving.stall.now += 121 * DAY
    await leaving.finish()
    key = await leaving.pay_out()
    await leaving.accept()
    assert (await leaving.finish()).is_closed

    leaving.stall.now += DAY
    sealing.reopen(database.logins.owner, leaving.merchant_id, "returned", an_act(at=leaving.stall.now))
    async with database.write("test") as tx, tx.as_merchant(leaving.merchant_id) as session:
        returned = Told(Word.RETURNED, reason="account closed")
        await payout.hear_of(session, key, returned, an_act(at=leaving.stall.now))
        [account] = await payee.current_accounts(session)
    assert account.status == "flagged"
    assert [each.obstacle.value for each in (await leaving.finish()).blockers] == ["open_case"]


async def test_what_happened_is_in_the_audit_trail(database: Database) -> None:
    leaving = await a_leaving(database)
    await leaving.close()
    await leaving.finish()
    sealing.reopen(database.logins.owner, leaving.merchant_id, "a mistake", an_act())
    async with database.read("test") as tx, tx.as_platform() as session:
        rows = await session.execute(select(audit_event).where(audit_event.c.merchant_id == leaving.merchant_id))
        found = {row.act: row.after for row in rows}
    assert found["merchant.close"] == {"status": "closing", "reason": "retires"}
    assert found["merchant.seal"] == {"status": "closed"}
    assert found["merchant.reopen"] == {"status": "closing", "reason": "a mistake"}


async def test_killed_before_the_seal_it_is_run_again(database: Database) -> None:
    leaving = await a_leaving(database)
    await leaving.close()

    class Killed(BaseException):
        pass

    def kill() -> bool:
        raise Killed

    before = leaving.rights()
    with pytest.raises(Killed):
        sealing.seal(database.logins.owner, leaving.merchant_id, kill, an_act())
    assert (await leaving.status(), leaving.rights()) == ("closing", before)
    assert (await leaving.finish()).is_closed
