"""Refunds after true-ups: what a true-up had returned of a refunded line's commission is taken back."""

import random
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from merchantry.domain.refund import Asked
from merchantry.services import chargeback, payment_fee, refund
from merchantry.services.chargeback import NewChargeback
from merchantry.services.refund import NewRefund
from merchantry.tables.merchant import ledger_entry, volume
from tenancy.database import Database
from tests.builders import an_act
from tests.services.stall import DAY, Stall, a_stall, check_books
from tests.services.volume_plans import TAX_BPS, retroactive

STEP_MINOR = 30_000
"""The step of the tiers here: three pieces of a stall."""


async def a_seller(database: Database, *, lowers: bool = False, price_minor: int = 10_000, **more: Any) -> Stall:
    default = {"tiers": retroactive(STEP_MINOR, lowers=lowers), "commission_tax_bps": TAX_BPS, **more}
    return await a_stall(database, price_minor, default=default)


async def give_back(stall: Stall, order_id: UUID, goodwill_minor: int, at: datetime | None = None) -> None:
    async with stall.database.write("test") as tx:
        new = NewRefund(order_id, "late", Asked(goodwill_minor=goodwill_minor))
        await refund.create(tx, stall.merchant.id, new, an_act("staff:test", at=at or stall.now))


async def lose(stall: Stall, order_id: UUID, amount_minor: int) -> UUID:
    act = an_act("platform:test", at=stall.now)
    async with stall.database.write("test") as tx:
        new = NewChargeback(order_id, f"CB-{uuid4()}", amount_minor, "not received")
        made = await chargeback.open_(tx, stall.merchant.id, new, act)
    async with stall.database.write("test") as tx:
        await chargeback.lose(tx, stall.merchant.id, made, act)
    return made


async def win(stall: Stall, lost: UUID) -> None:
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        found = await chargeback.find(session, stall.merchant.id, lost)
        assert found
    act = an_act("platform:test", at=stall.now)
    async with stall.database.write("test") as tx:
        again = NewChargeback(found.order_id, found.provider_reference, found.amount_minor, "second round")
        made = await chargeback.open_(tx, stall.merchant.id, again, act)
    async with stall.database.write("test") as tx:
        await chargeback.win(tx, stall.merchant.id, made, act)


async def volumes(stall: Stall) -> list[Any]:
    async with stall.database.read("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        return list(await session.execute(select(volume).order_by(volume.c.window_starts_at)))


async def last_entries(stall: Stall, number: int) -> list[tuple[str, dict[str, int]]]:
    async with stall.database.read("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        rows = (await session.execute(select(ledger_entry).order_by(ledger_entry.c.seq))).all()
    return [(row.kind, dict(zip(row.account, row.amount, strict=True))) for row in rows[-number:]]


async def test_a_refund_after_a_true_up_takes_back_its_part_with_the_tax(database: Database) -> None:
    stall = await a_seller(database)
    first = await stall.sell(2)
    await stall.sell(2)
    await give_back(stall, first, 10_000)
    taken, owed = await last_entries(stall, 2)
    assert taken == (
        "refund",
        {"merchant_pending": -8_810, "platform_commission": -1_000, "commission_tax": -190, "refunds": 10_000},
    )
    assert owed == (
        "true_up_taken_back",
        {"merchant_available": -238, "platform_commission": 200, "commission_tax": 38},
    )
    balances = await stall.balances()
    assert (balances["platform_commission"], balances["commission_tax"]) == (2_400, 456)
    await check_books(database)


async def test_when_every_order_of_the_window_is_refunded_nothing_is_left_of_its_commission(database: Database) -> None:
    stall = await a_seller(database, price_minor=9_999)
    orders = [await stall.sell() for _ in range(5)]
    for order_id in orders:
        await give_back(stall, order_id, 3_333)
    for order_id in orders:
        await give_back(stall, order_id, 6_666)
    balances = await stall.balances()
    assert balances == {"buyer_funds": -49_995, "refunds": 49_995}
    [row] = await volumes(stall)
    assert (row.open_base_minor, row.open_part_minor, row.trued_up_minor, row.trued_up_tax_minor) == (0, 0, 0, 0)
    await check_books(database)


async def test_a_refund_in_a_later_window_takes_back_of_its_own_and_lowers_the_one_it_is_booked_in(
    database: Database,
) -> None:
    stall = await a_seller(database, lowers=True)
    first = await stall.sell(2)
    await stall.sell(2)
    stall.now += 31 * DAY
    await stall.sell(1)
    await give_back(stall, first, 20_000)
    assert (await last_entries(stall, 1))[0][1]["platform_commission"] == 400
    march, april = await volumes(stall)
    assert (march.counted_minor, march.open_base_minor, march.open_part_minor) == (40_000, 20_000, 1_600)
    assert (april.counted_minor, april.open_base_minor, april.open_part_minor) == (0, 10_000, 1_000)
    await check_books(database)


async def test_a_chargeback_that_is_won_later_raises_the_volume_and_gives_the_true_up_again(database: Database) -> None:
    stall = await a_seller(database, lowers=True)
    first = await stall.sell(2)
    await stall.sell(2)
    lost = await lose(stall, first, 20_000)
    [row] = await volumes(stall)
    assert (row.counted_minor, row.trued_up_minor) == (20_000, 0)
    await win(stall, lost)
    [row] = await volumes(stall)
    assert (row.counted_minor, row.open_base_minor, row.open_part_minor) == (40_000, 40_000, 3_200)
    balances = await stall.balances()
    assert (balances["platform_commission"], balances["commission_tax"]) == (3_200, 608)
    assert (await stall.kinds())[-1] == "true_up_taken_back"
    await check_books(database)


@pytest.mark.parametrize("lowers", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_windows_commission_is_that_of_what_was_not_refunded(
    database: Database, lowers: bool, seed: int
) -> None:
    chance = random.Random(seed)
    stall = await a_seller(database, lowers=lowers, price_minor=3_331)
    left: dict[UUID, int] = {}
    for _ in range(14):
        if left and chance.random() < 0.5:
            order_id = chance.choice(list(left))
            amount = chance.choice([left[order_id], max(left[order_id] // 3, 1)])
            await give_back(stall, order_id, amount)
            left[order_id] -= amount
            left = {each: minor for each, minor in left.items() if minor}
        else:
            quantity = chance.randint(1, 4)
            left[await stall.sell(quantity)] = quantity * 3_331
    [row] = await volumes(stall)
    rate = 800 if row.reached_minor >= STEP_MINOR else 1000
    balances = await stall.balances()
    assert abs(balances.get("platform_commission", 0) - sum(left.values()) * rate // 10_000) <= 14
    assert row.open_part_minor == balances.get("platform_commission", 0)
    for order_id, minor in left.items():
        await give_back(stall, order_id, minor)
    assert not {"platform_commission", "commission_tax"} & (await stall.balances()).keys()
    await check_books(database)


FEE = {"bps": 290, "fixed_minor": 30, "borne_by": "merchant"}


async def know_fee(stall: Stall, order_id: UUID, actual_minor: int) -> None:
    async with stall.database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        await payment_fee.true_up_fee(session, order_id, actual_minor, an_act(at=stall.now))


@pytest.mark.parametrize("known_after", [0, 1, 2, 3])
@pytest.mark.parametrize("is_released", [False, True], ids=["pending", "released"])
async def test_refunds_take_back_what_the_fee_turned_out_to_be_whenever_it_was_known(
    database: Database, known_after: int, is_released: bool
) -> None:
    stall = await a_stall(database, 9_999, default={"rate_bps": 1000, "payment_fee": FEE})
    order_id = await stall.sell()
    if is_released:
        await stall.release(order_id)
    for position, amount in enumerate((3_333, 1_111, 5_555)):
        if position == known_after:
            await know_fee(stall, order_id, 377)
        if position == 2:
            estimate = 320 + (57 if known_after < 3 else 0)
            assert abs((await stall.balances())["payment_fee"] - estimate * 5_555 // 9_999) <= 1
        await give_back(stall, order_id, amount)
    if known_after == 3:
        await know_fee(stall, order_id, 377)
    assert await stall.balances() == {"buyer_funds": -9_999, "refunds": 9_999}
    await check_books(database)


async def test_a_policy_that_keeps_the_fee_keeps_what_it_turned_out_to_be(database: Database) -> None:
    stall = await a_stall(
        database, 10_000, default={"rate_bps": 1000, "payment_fee": FEE, "refund_policy": "proportional"}
    )
    order_id = await stall.sell()
    await give_back(stall, order_id, 4_000)
    await know_fee(stall, order_id, 400)
    await give_back(stall, order_id, 6_000)
    balances = await stall.balances()
    assert (balances["payment_fee"], balances["merchant_pending"]) == (400, -400)
    await check_books(database)


async def test_a_chargeback_that_is_won_gives_the_real_fee_again(database: Database) -> None:
    stall = await a_stall(database, 10_000, default={"rate_bps": 1000, "payment_fee": FEE})
    order_id = await stall.sell()
    await know_fee(stall, order_id, 377)
    lost = await lose(stall, order_id, 6_000)
    await win(stall, lost)
    balances = await stall.balances()
    assert (balances["payment_fee"], balances["merchant_pending"]) == (377, 8_623)
    await check_books(database)
