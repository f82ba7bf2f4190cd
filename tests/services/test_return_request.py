"""Returns: asked for in time, answered or not, sent back or not, and refunded; the hold waits for them."""

from uuid import UUID, uuid4

import pytest

from merchantry.domain.case import CaseStatus, Vote
from merchantry.domain.errors import QuantityRefused, ReturnRefused, ReturnTooLate
from merchantry.domain.refund import Asked
from merchantry.services import case_decision, debt, refund, return_request
from merchantry.services.case_effects import EFFECTS
from merchantry.services.refund import NewRefund
from merchantry.services.return_request import NewReturn
from tenancy.database import Database
from tests.builders import an_act
from tests.services.books import Shelf
from tests.services.stall import DAY, Stall, a_stall, check_books


async def ask(stall: Stall, order_id: UUID, quantity: int = 1) -> UUID:
    new = NewReturn(order_id, {await stall.line_id(order_id): quantity}, "too small")
    async with stall.database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        return await return_request.request(session, new, an_act("buyer:test", at=stall.now))


async def status_of(stall: Stall, return_id: UUID) -> str:
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        found = await return_request.find(session, stall.merchant.id, return_id)
        assert found
        return found.status


async def receive(stall: Stall, return_id: UUID) -> None:
    async with stall.database.write("test") as tx:
        act = an_act("staff:test", at=stall.now)
        await return_request.receive(tx, stall.merchant.id, return_id, restock=True, act=act)


async def test_silence_approves_what_comes_back_is_restocked_and_refunded_and_the_hold_ends_later(
    database: Database,
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell(2)
    await stall.complete(order_id)
    stall.now += 2 * DAY
    made = await ask(stall, order_id)
    stall.now += 3 * DAY
    await stall.work()
    assert await status_of(stall, made) == "approved"
    stall.now += 4 * DAY
    await stall.work()
    assert await stall.kinds() == ["capture"]
    await receive(stall, made)
    assert (await status_of(stall, made), await stall.stock()) == ("refunded", (99, 0))
    found = await stall.order(order_id)
    assert (found.open_disputes, found.hold_ends_at) == (0, stall.now + 5 * DAY)
    stall.now += 5 * DAY
    await stall.work()
    assert await stall.balances() == {
        "buyer_funds": -10_000,
        "merchant_available": 8_750,
        "platform_commission": 1_250,
    }
    await check_books(database)


async def test_what_is_not_sent_in_time_expires_and_the_order_is_released(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.complete(order_id)
    made = await ask(stall, order_id)
    stall.now += 17 * DAY
    await stall.work()
    assert await status_of(stall, made) == "expired"
    stall.now += 7 * DAY
    await stall.work()
    assert await stall.kinds() == ["capture", "release"]
    with pytest.raises(ReturnTooLate):
        await ask(stall, order_id)
    with pytest.raises(ReturnRefused):
        await receive(stall, made)


async def test_no_more_is_returned_than_the_buyer_has_and_other_returns_leave(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell(2)
    with pytest.raises(ReturnRefused):
        await ask(stall, order_id)
    await stall.complete(order_id)
    first = await ask(stall, order_id)
    with pytest.raises(QuantityRefused) as refused:
        await ask(stall, order_id, 2)
    assert refused.value.open == 1
    async with database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        await return_request.withdraw(session, first, an_act("buyer:test", at=stall.now))
    second = await ask(stall, order_id, 2)
    async with database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        await return_request.reject(session, second, "worn", an_act("staff:test", at=stall.now))
    assert (await stall.order(order_id)).open_disputes == 0


async def test_a_debt_is_aged_by_statements_and_written_off_by_two_people(database: Database) -> None:
    stall = await a_stall(database)
    shelf = Shelf(database, stall.merchant)
    await shelf.add_account()
    order_id = await stall.sell()
    await stall.release(order_id)
    stall.now += 7 * DAY
    await shelf.close(stall.now)
    async with database.write("test") as tx:
        new = NewRefund(order_id, "broken", Asked(goodwill_minor=8_000))
        await refund.create(tx, stall.merchant.id, new, an_act("staff:test", at=stall.now))
    stall.now += 14 * DAY
    await shelf.close(stall.now)
    [found] = await debt.debts(database)
    last = (await shelf.statements())[-1]
    assert (found.amount_minor, found.currency, found.since) == (7_000, "BRL", last.ends_at)
    async with database.write("test") as tx:
        case_id = await debt.propose_write_off(tx, stall.merchant.id, "BRL", "closed shop", an_act("platform:a"))
    for _ in range(2):
        act = an_act(f"platform:{uuid4()}", at=stall.now)
        async with database.write("test") as tx:
            decided = await case_decision.decide(
                tx, stall.merchant.id, case_id, Vote.APPROVE, "agreed", act, effects=EFFECTS
            )
    assert decided.status is CaseStatus.APPROVED
    found_balances = await stall.balances()
    assert (found_balances["platform_expense"], "merchant_available" in found_balances) == (-7_000, False)
    await check_books(database)
