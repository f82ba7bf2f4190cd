"""A sale from cart to available money, entered by the public door."""

from datetime import datetime, timedelta

from merchantry.domain.permission import MerchantRole
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, confirm, place, ship
from tests.graphql_api.mall import Mall

BALANCE = "{ merchant { balance { currency pending { amount } available { amount } commission { amount } } } }"


async def test_one_checkout_becomes_an_order_per_merchant_and_money_available_after_the_hold(mall: Mall) -> None:
    first = await a_merchant(mall.database, "first")
    second = await a_merchant(mall.database, "second")
    kite = await a_product(mall.database, first, prices={"BRL": 10_000})
    ball = await a_product(mall.database, second, title="Ball", prices={"BRL": 3_333})
    owner = await mall.hire("olga", first, MerchantRole.OWNER)
    checkout = await buy(mall, "bea", a_line(first, kite, 2), a_line(second, ball, 1, "33.33"))
    assert checkout["total"] == {"amount": "253.33", "currency": "BRL"}
    assert [order["total"]["amount"] for order in sorted(checkout["orders"], key=lambda o: o["merchantName"])] == [
        "210.00",
        "43.33",
    ]
    order = next(each for each in checkout["orders"] if each["merchantName"] == "First Ltda")
    assert (await mall.ask(BALANCE, who=owner, merchant="first")).data["merchant"]["balance"] == [
        {
            "currency": "BRL",
            "pending": {"amount": "186.00"},
            "available": {"amount": "0.00"},
            "commission": {"amount": "24.00"},
        }
    ]
    shipped = await ship(mall, owner, first, order["id"])
    assert shipped["order"]["status"] == "SHIPPED"
    assert (await confirm(mall, "bea", order["id"]))["order"]["status"] == "COMPLETED"
    mall.clock.advance(days=7, minutes=1)
    assert await mall.work() == 2  # the hold, and a deadline to ship that was kept
    (balance,) = (await mall.ask(BALANCE, who=owner, merchant="first")).data["merchant"]["balance"]
    assert (balance["pending"]["amount"], balance["available"]["amount"]) == ("0.00", "186.00")


async def test_a_merchant_without_a_plan_in_force_can_not_sell_what_could_not_be_paid(mall: Mall) -> None:
    lost = await a_merchant(mall.database, "lost", commission_plan="standrad")
    kite = await a_product(mall.database, lost, prices={"BRL": 10_000})
    refused = await place(mall, "bea", a_line(lost, kite))
    assert [problem["code"] for problem in refused["problems"]] == ["MERCHANT_UNAVAILABLE"]


async def test_an_order_whose_time_has_come_is_complete_also_without_a_worker(mall: Mall) -> None:
    first = await a_merchant(mall.database, "first")
    kite = await a_product(mall.database, first, prices={"BRL": 10_000})
    owner = await mall.hire("olga", first, MerchantRole.OWNER)
    (order,) = (await buy(mall, "bea", a_line(first, kite)))["orders"]
    await ship(mall, owner, first, order["id"])
    mall.clock.advance(days=31)
    late = await confirm(mall, "bea", order["id"])
    assert late["code"] == "ORDER_TRANSITION_REFUSED"
    assert await mall.work() == 1
    shown = "{ merchant { orders { nodes { status completedAt shippedAt } } } }"
    (found,) = (await mall.ask(shown, who=owner, merchant="first")).data["merchant"]["orders"]["nodes"]
    assert found["status"] == "COMPLETED"
    completed, shipped = (datetime.fromisoformat(found[name]) for name in ("completedAt", "shippedAt"))
    assert completed - shipped == timedelta(days=30)
