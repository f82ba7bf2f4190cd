"""Two who want the opposite of the same thing at the same moment: one of them gets it, whole."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from graphql_api.relay import parse_id
from merchantry.domain.act import Act
from merchantry.domain.permission import MerchantRole
from merchantry.gateways.payment import ChargeStatus, Tender
from merchantry.jobs import handlers, worker
from merchantry.jobs.tools import Job, Tools
from merchantry.services import payment
from merchantry.services.queue import JobKind
from merchantry.tables.platform import NOBODY
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.concurrency.counting import check_everything, rows
from tests.graphql_api.documents import CANCEL, a_line, buy, pay, place, ship
from tests.graphql_api.mall import Mall


async def a_line_of(mall: Mall) -> tuple[Merchant, Any]:
    """A merchant with an owner called olga, and a line of its product."""
    merchant = await a_merchant(mall.database)
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=100)
    return merchant, a_line(merchant, kite)


def a_late_worker(mall: Mall, **span: int) -> Tools:
    """A worker whose clock is ahead, as on another machine."""
    return replace(mall.tools, clock=lambda: mall.clock.now + timedelta(**span))


async def test_a_checkout_is_paid_or_expires_and_never_both(mall: Mall) -> None:
    _, line = await a_line_of(mall)
    late = a_late_worker(mall, minutes=31)
    outcomes = []
    for number in range(8):
        checkout = (await place(mall, "bea", line))["checkout"]

        async def expire(pause: float = number * 0.01) -> int:
            await asyncio.sleep(pause)
            return await worker.run_due(late, late.clock())

        paid, _ = await asyncio.gather(pay(mall, "bea", checkout), expire())
        outcomes.append(paid["__typename"])
        assert paid["__typename"] in ("CheckoutPaid", "PaymentNotPossible")
        await check_everything(mall.database)
    statuses = [row["status"] for row in rows(mall.database, "SELECT status FROM platform.checkout")]
    assert statuses.count("paid") == outcomes.count("CheckoutPaid")
    assert statuses.count("expired") == outcomes.count("PaymentNotPossible")


@pytest.mark.parametrize("by_poll_first", [True, False])
async def test_money_asked_for_before_the_expiry_that_arrives_after_it_is_not_taken(
    mall: Mall, by_poll_first: bool
) -> None:
    """The program wrote what it will ask for, then the network was slow; meanwhile a worker gave the payment up."""
    _, line = await a_line_of(mall)
    (checkout_id,) = (parse_id((await place(mall, "bea", line))["checkout"]["id"]) or ("", ()))[1]
    buyer, payment_id = await mall.account("bea"), uuid4()
    act = Act(f"buyer:{buyer}", mall.clock(), mall.clock())
    charge = await mall.database.run(
        "test",
        lambda tx: payment.begin(
            tx,
            checkout_id,
            buyer,
            [Tender("sandbox_approve", 11_000)],
            currencies={"BRL"},
            payment_id=payment_id,
            gateway=mall.tools.gateway,
            act=act,
        ),
    )
    late = a_late_worker(mall, minutes=31)
    if by_poll_first:
        poll = Job(NOBODY, JobKind.PAYMENT_POLL, payment_id, mall.clock() + payment.POLL_AFTER, 1)
        await handlers.payment_poll(late, poll)
    expiry = Job(NOBODY, JobKind.CHECKOUT_EXPIRE, checkout_id, mall.clock() + timedelta(minutes=30), 1)
    await handlers.checkout_expire(late, expiry)
    outcome = await mall.tools.gateway.charge(charge)
    settled = await mall.database.run("test", lambda tx: payment.settle(tx, payment_id, outcome, act))
    assert (outcome.status, settled.status) == (ChargeStatus.CANCELLED, "expired")
    (row,) = rows(mall.database, "SELECT status FROM platform.checkout")
    assert row["status"] == "expired"
    await check_everything(mall.database)


async def test_an_order_is_shipped_or_cancelled_and_never_both(mall: Mall) -> None:
    merchant, line = await a_line_of(mall)
    for _ in range(6):
        order = (await buy(mall, "bea", line))["orders"][0]
        given = {"orderId": order["id"], "reason": "no longer", "idempotencyKey": str(uuid4())}
        cancelled, shipped = await asyncio.gather(
            mall.ask(CANCEL, {"input": given}, who="bea"), ship(mall, "olga", merchant, order["id"])
        )
        kinds = {cancelled.data["orderCancel"]["__typename"], shipped["__typename"]}
        assert kinds in ({"OrderCancelled", "OrderTransitionRefused"}, {"OrderTransitionRefused", "OrderShipped"})
    await check_everything(mall.database)


async def test_of_two_cancellations_one_pays_back(mall: Mall) -> None:
    merchant, line = await a_line_of(mall)
    order = (await buy(mall, "bea", line))["orders"][0]
    given = [{"orderId": order["id"], "reason": "no longer", "idempotencyKey": str(uuid4())} for _ in range(4)]
    answers = await asyncio.gather(*(mall.ask(CANCEL, {"input": each}, who="bea") for each in given))
    kinds = sorted(answer.data["orderCancel"]["__typename"] for answer in answers)
    assert kinds == ["OrderCancelled"] + ["OrderTransitionRefused"] * 3
    await mall.work()
    assert len(rows(mall.database, "SELECT id FROM {schema}.refund", merchant.id)) == 1
    assert [row["amount_minor"] for row in rows(mall.database, "SELECT amount_minor FROM platform.sandbox_refund")] == [
        11_000
    ]
    await check_everything(mall.database)


async def test_of_two_parcels_with_the_same_last_piece_one_leaves(mall: Mall) -> None:
    merchant, line = await a_line_of(mall)
    order = (await buy(mall, "bea", {**line, "quantity": 3}))["orders"][0]
    parcel = [{"lineId": order["lines"][0]["id"], "quantity": 2}]
    answers = await asyncio.gather(*(ship(mall, "olga", merchant, order["id"], lines=parcel) for _ in range(3)))
    assert sorted(answer["__typename"] for answer in answers) == ["OrderShipped", "QuantityRefused", "QuantityRefused"]
    await check_everything(mall.database)
