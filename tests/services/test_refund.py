"""Refunds from the first to the last cent: who gives what back, when, and where it goes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from merchantry.domain.case import CaseKind, Vote
from merchantry.domain.errors import InvalidInput, NotFound, OrderTransitionRefused, RefundRefused, RefundTooLarge
from merchantry.domain.order import OrderStatus
from merchantry.domain.refund import Asked
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.services import case_decision, refund, refund_sending
from merchantry.services.case_effects import EFFECTS
from merchantry.services.refund import NewRefund
from merchantry.services.refund_sending import RefundOutcome
from merchantry.tables.case import review_case
from merchantry.tables.merchant import volume
from tenancy.database import Database
from tests.builders import an_act
from tests.services.books import Shelf
from tests.services.sales import tiers
from tests.services.stall import DAY, Stall, a_stall, check_books


async def give_back(stall: Stall, order_id: UUID, **asked: int) -> UUID:
    """A refund of an amount (``goodwill_minor``) without goods."""
    new = NewRefund(order_id, "late", Asked(**asked))  # type: ignore[arg-type]
    return await make(stall, new)


async def make(stall: Stall, new: NewRefund) -> UUID:
    async with stall.database.write("test") as tx:
        return await refund.create(tx, stall.merchant.id, new, an_act("staff:test", at=stall.now))


async def test_of_two_simultaneous_refunds_of_60_on_100_one_succeeds(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    answers = await asyncio.gather(
        *(give_back(stall, order_id, goodwill_minor=6_000) for _ in range(2)), return_exceptions=True
    )
    [refused] = [each for each in answers if isinstance(each, RefundTooLarge)]
    assert refused.refundable_minor == 4_000
    assert [row.amount_minor for row in await stall.refunds()] == [6_000]
    assert await stall.refunded(order_id) == (6_000, 6_000, [6_000])
    await check_books(database)


async def test_three_refunds_of_33_33_on_99_99_leave_every_party_at_exactly_zero(database: Database) -> None:
    stall = await a_stall(database, 9_999)
    order_id = await stall.sell()
    assert await stall.balances() == {"buyer_funds": -9_999, "merchant_pending": 8_749, "platform_commission": 1_250}
    for _ in range(3):
        await give_back(stall, order_id, goodwill_minor=3_333)
    assert [row.commission_minor for row in await stall.refunds()] == [417, 416, 417]
    assert await stall.balances() == {"buyer_funds": -9_999, "refunds": 9_999}
    await stall.work()
    assert await stall.balances() == {}
    assert {row.status for row in await stall.refunds()} == {"sent"}
    await check_books(database)


async def test_pieces_refunded_before_they_shipped_are_cancelled_and_the_order_goes_on_without_them(
    database: Database,
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell(3)
    line_id = await stall.line_id(order_id)
    await stall.ship(order_id, {line_id: 1})
    assert await stall.stock() == (99, 2)
    await make(stall, NewRefund(order_id, "sold out", Asked({line_id: 2})))
    assert await stall.stock() == (99, 0)
    found = await stall.order(order_id)
    assert (found.status, found.lines[0].cancelled, found.lines[0].refunded) == (OrderStatus.SHIPPED, 2, 2)
    await make(stall, NewRefund(order_id, "came back", Asked({line_id: 1}, are_back=True), restock=True))
    assert await stall.stock() == (100, 0)
    assert (await stall.order(order_id)).status is OrderStatus.REFUNDED
    await check_books(database)


async def test_a_refund_of_pieces_keeps_what_the_plan_says_and_the_order_is_settled_at_once(database: Database) -> None:
    stall = await a_stall(database, refund_policy="keep_fixed", fixed_minor=100)
    order_id = await stall.sell()
    await make(stall, NewRefund(order_id, "regret"))
    await stall.work()
    assert await stall.balances() == {"merchant_available": -100, "platform_commission": 100}
    assert await stall.kinds() == ["capture", "refund", "release", "refund_sent"]
    await check_books(database)


async def test_a_refund_after_payout_is_a_debt_of_the_open_period_and_netted_against_the_next(
    database: Database,
) -> None:
    stall = await a_stall(database)
    shelf = Shelf(database, stall.merchant)
    await shelf.add_account()
    first = await stall.sell()
    await stall.release(first)
    stall.now += 7 * DAY
    await shelf.close(stall.now)
    [before] = await shelf.statements()
    assert (await stall.balances())["in_payout"] == before.closing_minor == 8_750
    await make(stall, NewRefund(first, "broken"))
    assert (await stall.balances())["merchant_available"] == -8_750
    second = await stall.sell(2)
    await stall.release(second)
    stall.now += 7 * DAY
    await shelf.close(stall.now)
    [old, debt, netted] = await shelf.statements()
    assert old == before
    assert (debt.kinds["refund"], debt.closing_minor) == ([1, -8_750], -8_750)
    assert (netted.opening_minor, netted.kinds["release"], netted.closing_minor) == (-8_750, [1, 17_500], 8_750)
    assert (await stall.balances())["in_payout"] == 17_500
    await check_books(database)


async def test_a_refund_goes_back_to_the_last_tender_first_each_up_to_what_it_paid(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell(1, ("sandbox_approve", 7_000), ("sandbox_refund_silent", 3_000))
    await give_back(stall, order_id, goodwill_minor=4_000)
    assert (await stall.refunded(order_id))[2] == [1_000, 3_000]
    await make(stall, NewRefund(order_id, "late", Asked(goodwill_minor=500), tenders=(0,)))
    assert (await stall.refunded(order_id))[2] == [1_500, 3_000]
    with pytest.raises(InvalidInput, match="no tender"):
        await make(stall, NewRefund(order_id, "late", Asked(goodwill_minor=500), tenders=(7,)))


async def test_a_refund_that_gets_no_answer_is_unknown_and_asked_for_again_until_it_is_sent_once(
    database: Database,
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell(1, ("sandbox_refund_silent", 10_000))
    await give_back(stall, order_id, goodwill_minor=1_000)
    await stall.work()
    assert [row.status for row in await stall.refunds()] == ["unknown"]
    stall.now += timedelta(minutes=1)
    await stall.work()
    [row] = await stall.refunds()
    assert (row.status, row.failure) == ("sent", None)
    assert await stall.kinds() == ["capture", "refund", "refund_sent"]
    await check_books(database)


async def an_unknown_refund(database: Database) -> tuple[Stall, UUID]:
    """A stall, and a refund of which its provider has said nothing for two hours."""
    stall = await a_stall(database)
    refund_id = await give_back(stall, await stall.sell(), goodwill_minor=1_000)
    for _ in range(3):
        await hear(stall, refund_id, Outcome(ChargeStatus.UNKNOWN))
        stall.now += timedelta(hours=1)
    return stall, refund_id


async def hear(stall: Stall, refund_id: UUID, outcome: Outcome, attempt: int = 1) -> str:
    async with stall.database.write("test") as tx:
        act = an_act("system:worker", at=stall.now)
        return await refund_sending.hear(tx, stall.merchant.id, refund_id, outcome, act, attempt=attempt)


async def resolve(stall: Stall, refund_id: UUID, outcome: RefundOutcome) -> None:
    async with stall.database.write("test") as tx:
        act = an_act(f"platform:{uuid4()}", at=stall.now)
        await refund_sending.resolve(tx, stall.merchant.id, refund_id, outcome, "call 17", act)


async def test_a_refund_that_stays_unknown_is_a_case_that_no_vote_and_only_an_answer_ends(database: Database) -> None:
    stall, refund_id = await an_unknown_refund(database)
    [opened] = await cases(stall)
    assert (opened.kind, opened.status, opened.amount_minor) == (CaseKind.REFUND_UNKNOWN, "open", 1_000)
    with pytest.raises(InvalidInput, match="refundResolve"):
        await decide(stall, opened.id)
    assert await hear(stall, refund_id, Outcome(ChargeStatus.CAPTURED)) == "sent"
    [ended] = await cases(stall)
    assert (ended.status, ended.reason) == ("settled", "The provider has answered: sent.")


async def test_a_person_with_evidence_says_that_an_unknown_refund_was_sent_and_nothing_is_sent_again(
    database: Database,
) -> None:
    stall, refund_id = await an_unknown_refund(database)
    await resolve(stall, refund_id, RefundOutcome.SENT)
    assert [row.status for row in await stall.refunds()] == ["sent"]
    assert await stall.kinds() == ["capture", "refund", "refund_sent"]
    assert [(each.status, each.reason) for each in await cases(stall)] == [
        ("settled", "A person has found out that the refund was sent.")
    ]
    assert await stall.work() == 0
    with pytest.raises(RefundRefused):
        await resolve(stall, refund_id, RefundOutcome.NOT_SENT)
    await check_books(database)


async def test_only_what_was_definitely_not_sent_is_tried_again_and_under_a_new_key(database: Database) -> None:
    stall, refund_id = await an_unknown_refund(database)
    with pytest.raises(RefundRefused):
        async with database.write("test") as tx:
            await refund_sending.retry(tx, stall.merchant.id, refund_id, an_act())
    await resolve(stall, refund_id, RefundOutcome.NOT_SENT)
    assert sorted((each.kind, each.status) for each in await cases(stall)) == [
        ("refund_failed", "open"),
        ("refund_unknown", "settled"),
    ]
    async with database.write("test") as tx:
        await refund_sending.retry(tx, stall.merchant.id, refund_id, an_act(at=stall.now))
    asked = await refund_sending.refund_to_send(database, "test", stall.merchant.id, refund_id)
    assert asked is not None
    assert (asked.attempt, asked.key == refund_id) == (2, False)
    await stall.work()
    assert [row.status for row in await stall.refunds()] == ["sent"]
    assert {each.status for each in await cases(stall)} == {"settled"}
    await hear(stall, refund_id, Outcome(ChargeStatus.CAPTURED))
    assert [(each.kind, each.title) for each in await cases(stall) if each.status == "open"] == [
        (CaseKind.REFUND_UNKNOWN, "A refund that was taken to have failed was sent after all.")
    ]
    await check_books(database)


async def decide(stall: Stall, case_id: UUID) -> None:
    async with stall.database.write("test") as tx:
        act = an_act(f"platform:{uuid4()}", at=stall.now)
        await case_decision.decide(tx, stall.merchant.id, case_id, Vote.APPROVE, "so be it", act, effects=EFFECTS)


async def a_refused_refund(database: Database) -> tuple[Stall, UUID, UUID]:
    """A stall, a refund that its provider refuses, and the case about it."""
    stall = await a_stall(database)
    refund_id = await give_back(stall, await stall.sell(1, ("sandbox_refund_fail", 10_000)), goodwill_minor=1_000)
    await stall.work()
    return stall, refund_id, (await cases(stall))[-1].id


async def cases(stall: Stall) -> list[Any]:
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        found = select(review_case).where(review_case.c.merchant_id == stall.merchant.id)
        return list(await session.execute(found.order_by(review_case.c.opened_at)))


async def test_a_refused_refund_waits_for_people_who_pay_by_other_means(database: Database) -> None:
    stall, refund_id, _ = await a_refused_refund(database)
    [row] = await stall.refunds()
    assert (row.status, row.failure) == ("failed", "the sandbox declines refunds to this method")
    [opened] = await cases(stall)
    assert (opened.kind, opened.status, opened.amount_minor) == (CaseKind.REFUND_FAILED, "open", 1_000)
    async with database.write("test") as tx:
        act = an_act("platform:test", at=stall.now)
        await refund_sending.mark_offline(tx, stall.merchant.id, refund_id, "bank transfer 17", act)
    assert [(await stall.refunds())[0].status, (await cases(stall))[0].status] == ["offline", "settled"]
    assert "refunds" not in await stall.balances()
    with pytest.raises(RefundRefused):
        async with database.write("test") as tx:
            await refund_sending.retry(tx, stall.merchant.id, refund_id, an_act())
    await check_books(database)


async def test_approving_the_case_of_a_refused_refund_sends_it_again_under_a_new_key(database: Database) -> None:
    stall, _, case_id = await a_refused_refund(database)
    async with database.write("test") as tx:
        await case_decision.decide(
            tx,
            stall.merchant.id,
            case_id,
            Vote.APPROVE,
            "they said it works now",
            an_act(f"platform:{uuid4()}", at=stall.now),
            effects=EFFECTS,
        )
    assert (await stall.refunds())[0].status == "pending"
    await stall.work()
    assert {each.id == case_id: each.status for each in await cases(stall)} == {True: "approved", False: "open"}


async def test_a_refund_when_the_hold_is_over_comes_after_the_release_whether_a_worker_was_there_or_not(
    database: Database,
) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.complete(order_id)
    stall.now += 8 * DAY
    await give_back(stall, order_id, goodwill_minor=1_000)
    assert await stall.kinds() == ["capture", "release", "refund"]
    assert (await stall.balances())["merchant_available"] == 8_750 - 875
    await check_books(database)


async def test_what_is_cancelled_refunded_or_unpaid_is_not_refunded(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await make(stall, NewRefund(order_id, "regret"))
    with pytest.raises(OrderTransitionRefused):
        await give_back(stall, order_id, goodwill_minor=1)
    with pytest.raises(OrderTransitionRefused):
        async with database.write("test") as tx:
            await refund.cancel(tx, stall.merchant.id, order_id, "again", an_act())


async def test_an_order_refunded_in_part_is_released_with_what_is_left(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await give_back(stall, order_id, goodwill_minor=2_000)
    await stall.release(order_id)
    assert (await stall.balances())["merchant_available"] == 7_000
    await check_books(database)


@pytest.mark.parametrize(("lowers", "counted"), [(True, 10_000), (False, 20_000)])
async def test_a_refund_lowers_the_volume_of_its_window_where_the_tiers_say_so(
    database: Database, lowers: bool, counted: int
) -> None:
    steps = tiers("marginal", refunds_lower_volume=lowers)
    stall = await a_stall(database, default={"tiers": steps})
    order_id = await stall.sell(2)
    await make(stall, NewRefund(order_id, "late", Asked({await stall.line_id(order_id): 1})))
    async with database.read("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        row = (await session.execute(select(volume))).one()
    assert (row.counted_minor, row.open_base_minor, row.open_part_minor) == (counted, 10_000, 1_000)
    await check_books(database)


async def test_an_order_of_a_merchant_that_does_not_exist_is_not_found(database: Database) -> None:
    async with database.write("test") as tx:
        with pytest.raises(NotFound):
            await refund.create(tx, uuid4(), NewRefund(uuid4(), "nobody's"), an_act())
