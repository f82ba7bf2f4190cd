"""Chargebacks: opened holds, lost posts, won releases; one loss per sale, second rounds, amounts above the capture."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from merchantry.domain.errors import ChargebackRefused, RefundTooLarge
from merchantry.domain.refund import Asked
from merchantry.services import chargeback, refund
from merchantry.services.chargeback import NewChargeback
from merchantry.services.refund import NewRefund
from merchantry.tables.dispute import chargeback as chargeback_table
from tenancy.database import Database
from tests.builders import an_act
from tests.services.stall import DAY, Stall, a_stall, check_books


async def open_(stall: Stall, order_id: UUID, amount_minor: int = 10_000, reference: str = "CB-1", **more: Any) -> UUID:
    new = NewChargeback(order_id, reference, amount_minor, "not received", **more)
    async with stall.database.write("test") as tx:
        return await chargeback.open_(tx, stall.merchant.id, new, an_act("platform:test", at=stall.now))


async def lose(stall: Stall, chargeback_id: UUID) -> None:
    async with stall.database.write("test") as tx:
        await chargeback.lose(tx, stall.merchant.id, chargeback_id, an_act("platform:test", at=stall.now))


async def win(stall: Stall, chargeback_id: UUID) -> None:
    async with stall.database.write("test") as tx:
        await chargeback.win(tx, stall.merchant.id, chargeback_id, an_act("platform:test", at=stall.now))


async def give_back(stall: Stall, order_id: UUID, goodwill_minor: int) -> None:
    async with stall.database.write("test") as tx:
        new = NewRefund(order_id, "late", Asked(goodwill_minor=goodwill_minor))
        await refund.create(tx, stall.merchant.id, new, an_act("staff:test", at=stall.now))


async def row_of(stall: Stall, chargeback_id: UUID) -> Any:
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        return (await session.execute(select(chargeback_table).where(chargeback_table.c.id == chargeback_id))).one()


async def test_opened_holds_what_is_available_and_lost_takes_it_from_every_party_with_the_fee(
    database: Database,
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.release(order_id)
    made = await open_(stall, order_id, fee_minor=1_500)
    assert (await stall.balances())["merchant_held"] == 8_750
    await lose(stall, made)
    assert await stall.balances() == {"merchant_available": -1_500, "payment_fee": 1_500}
    kinds = ["capture", "release", "hold", "hold_ended", "chargeback", "chargeback_fee"]
    assert await stall.kinds() == kinds
    assert await stall.refunded(order_id) == (10_000, 10_000, [10_000])
    with pytest.raises(RefundTooLarge):
        await give_back(stall, order_id, 1)
    await check_books(database)


async def test_won_frees_what_was_held_and_the_bank_s_fee_is_the_platforms_where_the_contract_says_so(
    database: Database,
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.release(order_id)
    await win(stall, await open_(stall, order_id, fee_minor=700, fee_borne_by="platform"))
    found = await stall.balances()
    assert (found["merchant_available"], found["platform_expense"], found["payment_fee"]) == (8_750, -700, 700)
    assert "merchant_held" not in found
    await check_books(database)


async def test_the_hold_does_not_end_while_a_chargeback_is_open_and_ends_later_by_as_long(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.complete(order_id)
    stall.now += 2 * DAY
    made = await open_(stall, order_id)
    stall.now += 10 * DAY
    await stall.work()
    assert await stall.kinds() == ["capture"]
    await win(stall, made)
    stall.now += 4 * DAY
    assert await stall.work() == 0
    stall.now += DAY
    await stall.work()
    assert await stall.kinds() == ["capture", "release"]
    await check_books(database)


async def test_a_chargeback_of_a_refunded_order_is_linked_and_not_lost_again(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await give_back(stall, order_id, 10_000)
    await stall.work()
    made = await open_(stall, order_id)
    await lose(stall, made)
    assert await stall.balances() == {}
    row = await row_of(stall, made)
    assert (row.status, row.covered_minor, row.entry_seq) == ("lost", 10_000, None)
    await check_books(database)


async def test_a_refund_while_a_chargeback_is_open_is_no_second_loss(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    made = await open_(stall, order_id)
    await give_back(stall, order_id, 4_000)
    await stall.work()
    await lose(stall, made)
    row = await row_of(stall, made)
    assert (row.covered_minor, await stall.balances()) == (4_000, {})
    await check_books(database)


async def test_a_lost_chargeback_that_is_won_in_a_second_round_comes_back_to_everybody(database: Database) -> None:
    stall = await a_stall(database, 9_999)
    order_id = await stall.sell()
    await stall.release(order_id)
    before = await stall.balances()
    await lose(stall, await open_(stall, order_id, 6_667))
    await give_back(stall, order_id, 1_111)
    await stall.work()
    again = await open_(stall, order_id, 6_667)
    assert (await row_of(stall, again)).round == 2
    await win(stall, again)
    assert await stall.refunded(order_id) == (1_111, 1_111, [1_111])
    await give_back(stall, order_id, 8_888)
    await stall.work()
    assert await stall.balances() == {}
    assert (await stall.kinds())[-3:] == ["chargeback_reversed", "refund", "refund_sent"]
    assert before["merchant_available"] == 8_749
    await check_books(database)


async def test_a_second_round_after_a_won_one_can_be_lost(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.release(order_id)
    await win(stall, await open_(stall, order_id))
    again = await open_(stall, order_id)
    with pytest.raises(ChargebackRefused):
        await open_(stall, order_id)
    await lose(stall, again)
    with pytest.raises(ChargebackRefused):
        await win(stall, again)
    assert await stall.balances() == {}
    await check_books(database)


@pytest.mark.parametrize(("bearer", "account"), [("merchant", "merchant_available"), ("platform", "platform_expense")])
async def test_what_the_bank_takes_above_the_capture_is_borne_as_the_fee_is(
    database: Database, bearer: str, account: str
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    made = await open_(stall, order_id, 10_300, fee_borne_by=bearer)
    await lose(stall, made)
    assert await stall.balances() == {account: -300, "buyer_funds": 300}
    await check_books(database)
    await win(stall, await open_(stall, order_id, 10_300, fee_borne_by=bearer))
    assert await stall.balances() == {"buyer_funds": -10_000, "merchant_pending": 8_750, "platform_commission": 1_250}
    await check_books(database)


async def test_what_only_goes_above_the_sale_is_borne_too(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await lose(stall, await open_(stall, order_id))
    await lose(stall, await open_(stall, order_id, 4_000, reference="CB-2"))
    assert await stall.balances() == {"merchant_available": -4_000, "buyer_funds": 4_000}
    await check_books(database)


async def test_a_refund_is_linked_anew_once_the_chargeback_about_it_was_won(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await give_back(stall, order_id, 10_000)
    await stall.work()
    await lose(stall, await open_(stall, order_id))
    await win(stall, await open_(stall, order_id))
    other = await open_(stall, order_id, reference="CB-2")
    await lose(stall, other)
    assert ((await row_of(stall, other)).covered_minor, await stall.balances()) == (10_000, {})
    await check_books(database)


async def test_a_loss_comes_back_once_however_often_the_bank_asks_again(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await lose(stall, await open_(stall, order_id))
    await win(stall, await open_(stall, order_id))
    await give_back(stall, order_id, 10_000)
    await stall.work()
    await lose(stall, await open_(stall, order_id))
    await win(stall, await open_(stall, order_id))
    assert await stall.balances() == {}
    assert (await stall.kinds()).count("chargeback_reversed") == 1
    await check_books(database)


async def test_what_comes_back_of_an_order_that_has_ended_is_available_at_once(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await lose(stall, await open_(stall, order_id, 6_000))
    await give_back(stall, order_id, 4_000)
    await stall.work()
    assert (await stall.order(order_id)).status == "to_ship"
    async with stall.database.write("test") as tx:
        await refund.cancel(tx, stall.merchant.id, order_id, "gone", an_act("staff:test", at=stall.now))
    await win(stall, await open_(stall, order_id, 6_000))
    assert await stall.balances() == {
        "buyer_funds": -6_000,
        "merchant_available": 5_250,
        "platform_commission": 750,
    }
    await check_books(database)
