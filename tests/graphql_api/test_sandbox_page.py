"""The sandbox provider's page: what a buyer answers there decides the payment, once."""

from uuid import uuid4

import pytest

from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, pay, place
from tests.graphql_api.mall import Mall


async def page_of_an_open_payment(mall: Mall) -> str:
    seller = await a_merchant(mall.database)
    product = await a_product(mall.database, seller, prices={"BRL": 10000})
    placed = await place(mall, "buyer", a_line(seller, product))
    paid = await pay(mall, "buyer", placed["checkout"], method="sandbox_action")
    url: str = paid["payment"]["actionUrl"]
    return url


@pytest.mark.parametrize(("answer", "status"), [("approve", "captured"), ("decline", "failed")])
async def test_an_answer_settles_the_payment_and_stays(mall: Mall, answer: str, status: str) -> None:
    url = await page_of_an_open_payment(mall)
    shown = await mall.http.get(url)
    assert "110.00 BRL: action required" in shown.text
    assert shown.text.count("<button") == 2
    answered = await mall.http.post(f"{url}/{answer}", follow_redirects=True)
    assert status in answered.text
    assert '/approve"' not in answered.text
    other = {"approve": "decline", "decline": "approve"}[answer]
    assert status in (await mall.http.post(f"{url}/{other}", follow_redirects=True)).text


async def test_what_is_no_payment_or_no_answer_is_not_found(mall: Mall) -> None:
    unknown = f"/sandbox/pay/{uuid4()}"
    assert (await mall.http.get(unknown)).status_code == 404
    assert (await mall.http.post(f"{unknown}/approve")).status_code == 404
    assert (await mall.http.post(f"{unknown}/steal")).status_code == 404
    assert (await mall.http.get("/sandbox/pay/nothing")).status_code == 404
