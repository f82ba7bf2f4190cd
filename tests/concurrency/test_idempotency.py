"""One effect per key: eight requests with one key at the same moment do the thing once and all answer it."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select

from merchantry.domain.permission import MerchantRole
from merchantry.tables.merchant import variant
from tenancy.database import Transaction
from tests.builders import a_merchant, a_product
from tests.concurrency.counting import check_everything, rows, stock_of
from tests.graphql_api.documents import PAY, PLACE, a_cart, a_line, pay, place
from tests.graphql_api.mall import Mall

REPEATS = 8
STOCK = """mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) {
  __typename ... on StockAdjusted { variant { onHand } } ... on Problem { code path } } }"""


async def a_priced_line(mall: Mall, quantity: int = 1) -> tuple[Any, Any]:
    """A merchant and a line of one of its products."""
    merchant = await a_merchant(mall.database)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=100)
    return merchant, a_line(merchant, kite, quantity)


async def test_eight_placements_with_one_key_place_once(mall: Mall) -> None:
    merchant, line = await a_priced_line(mall, 2)
    key = str(uuid4())
    answers = await asyncio.gather(*(place(mall, "bea", line, key=key) for _ in range(REPEATS)))
    assert [answer["__typename"] for answer in answers] == ["CheckoutPlaced"] * REPEATS
    assert len({answer["checkout"]["id"] for answer in answers}) == 1
    assert stock_of(mall.database, merchant.id) == [(100, 2)]
    assert len(rows(mall.database, "SELECT id FROM {schema}.orders", merchant.id)) == 1
    await check_everything(mall.database)


async def test_eight_payments_with_one_key_take_the_money_once(mall: Mall) -> None:
    merchant, line = await a_priced_line(mall)
    checkout = (await place(mall, "bea", line))["checkout"]
    key = str(uuid4())
    answers = await asyncio.gather(*(pay(mall, "bea", checkout, key=key) for _ in range(REPEATS)))
    assert {answer["__typename"] for answer in answers} == {"CheckoutPaid"}
    assert len({answer["payment"]["id"] for answer in answers}) == 1
    assert len(rows(mall.database, "SELECT id FROM platform.payment")) == 1
    assert len(rows(mall.database, "SELECT seq FROM {schema}.ledger_entry", merchant.id)) == 1
    again = await pay(mall, "bea", checkout, key=key)
    assert again["payment"]["status"] == "captured"
    await check_everything(mall.database)


async def test_payments_with_keys_of_their_own_take_the_money_once(mall: Mall) -> None:
    _, line = await a_priced_line(mall)
    checkout = (await place(mall, "bea", line))["checkout"]
    answers = await asyncio.gather(*(pay(mall, "bea", checkout) for _ in range(REPEATS)))
    kinds = sorted(answer["__typename"] for answer in answers)
    assert kinds == ["CheckoutPaid"] + ["PaymentNotPossible"] * (REPEATS - 1)
    await check_everything(mall.database)


@pytest.mark.parametrize("at_once", [True, False])
async def test_one_key_with_another_input_is_a_conflict(mall: Mall, at_once: bool) -> None:
    merchant, line = await a_priced_line(mall)
    inputs = [{"idempotencyKey": "the-key", "cart": a_cart({**line, "quantity": quantity})} for quantity in (1, 2)]
    asked = [mall.ask(PLACE, {"input": given}, who="bea") for given in inputs]
    answers = await asyncio.gather(*asked) if at_once else [await each for each in asked]
    kinds = [answer.data["checkoutPlace"]["__typename"] for answer in answers]
    assert sorted(kinds) == ["CheckoutPlaced", "IdempotencyConflict"]
    conflict = next(a.data["checkoutPlace"] for a in answers if "checkout" not in a.data["checkoutPlace"])
    assert conflict["path"] == ["input", "idempotencyKey"]
    assert len(rows(mall.database, "SELECT id FROM {schema}.orders", merchant.id)) == 1


async def test_a_key_is_its_owners_own(mall: Mall) -> None:
    _, line = await a_priced_line(mall)
    first, second = await asyncio.gather(place(mall, "ana", line, key="same"), place(mall, "bea", line, key="same"))
    assert first["checkout"]["id"] != second["checkout"]["id"]


async def test_a_key_of_another_mutation_is_a_conflict(mall: Mall) -> None:
    _, line = await a_priced_line(mall)
    checkout = (await place(mall, "bea", line, key="same"))["checkout"]
    given = {
        "checkoutId": checkout["id"],
        "tenders": [{"method": "sandbox_approve", "amount": checkout["total"]}],
        "idempotencyKey": "same",
    }
    answer = await mall.ask(PAY, {"input": given}, who="bea")
    assert answer.data["checkoutPay"]["__typename"] == "IdempotencyConflict"


async def test_what_was_refused_may_succeed_later_under_its_key(mall: Mall) -> None:
    merchant, line = await a_priced_line(mall, 101)
    assert (await place(mall, "bea", line, key="once"))["__typename"] == "CheckoutRejected"
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    more = {"variantId": line["variantId"], "change": 1, "idempotencyKey": "more"}
    answers = await asyncio.gather(
        *(mall.ask(STOCK, {"i": more}, who="olga", merchant=merchant.slug) for _ in range(REPEATS))
    )
    assert {answer.data["stockAdjust"]["__typename"] for answer in answers} == {"StockAdjusted"}
    assert stock_of(mall.database, merchant.id) == [(101, 0)]
    assert (await place(mall, "bea", line, key="once"))["__typename"] == "CheckoutPlaced"


async def test_a_commit_that_did_not_answer_is_not_called_a_failure_and_can_be_repeated(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant, line = await a_priced_line(mall)
    await mall.ask("{ viewer { accountId } }", who="bea")

    broken: list[str] = []

    send_commit = Transaction.send_commit

    async def break_off(transaction: Transaction) -> None:
        if not broken and transaction.actor.startswith("buyer:"):
            broken.append(transaction.actor)
            with psycopg.connect(mall.database.logins.listen, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%s, 1000)", [transaction.connection.info.backend_pid])
        await send_commit(transaction)

    given = {"idempotencyKey": "lost", "cart": a_cart(line)}
    monkeypatch.setattr(Transaction, "send_commit", break_off)
    lost = await mall.ask(PLACE, {"input": given}, who="bea")
    monkeypatch.undo()
    assert lost.codes == ["OUTCOME_UNKNOWN"]
    assert "same idempotencyKey" in lost.body["errors"][0]["message"]
    again = await mall.ask(PLACE, {"input": given}, who="bea")
    assert again.data["checkoutPlace"]["__typename"] == "CheckoutPlaced"
    assert stock_of(mall.database, merchant.id) == [(100, 1)]
    await check_everything(mall.database)


async def test_whoever_waits_too_long_for_a_row_is_told_so_and_nothing_is_done(mall: Mall) -> None:
    merchant, line = await a_priced_line(mall)
    async with mall.database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await session.execute(select(variant.c.id).with_for_update())
        given = {"idempotencyKey": "later", "cart": a_cart(line)}
        waited = await mall.ask(PLACE, {"input": given}, who="bea")
    assert waited.codes == ["BUSY"]
    assert stock_of(mall.database, merchant.id) == [(100, 0)]
    assert (await place(mall, "bea", line, key="later"))["__typename"] == "CheckoutPlaced"
