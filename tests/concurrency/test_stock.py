"""Stock is sold once: many buyers at the same moment, on connections of their own, get what there is and no more."""

import asyncio

from tests.builders import a_merchant, a_product
from tests.concurrency.counting import check_everything, rows, stock_of
from tests.graphql_api.documents import a_line, place
from tests.graphql_api.mall import Mall


async def test_fifty_buyers_of_ten_pieces_get_ten(mall: Mall) -> None:
    merchant = await a_merchant(mall.database)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=10)
    line = a_line(merchant, kite)
    answers = await asyncio.gather(*(place(mall, f"buyer-{number}", line) for number in range(50)))
    problems = [answer["problems"] for answer in answers if answer["__typename"] == "CheckoutRejected"]
    assert len(problems) == 40
    assert [[problem["__typename"] for problem in each] for each in problems] == [["OutOfStock"]] * 40
    numbers = {answer["checkout"]["orders"][0]["number"] for answer in answers if "checkout" in answer}
    assert len(numbers) == 10
    assert stock_of(mall.database, merchant.id) == [(10, 10)]
    await check_everything(mall.database)


async def test_of_two_buyers_after_the_last_piece_one_gets_it_and_the_other_reserves_nothing(mall: Mall) -> None:
    first, second = await a_merchant(mall.database), await a_merchant(mall.database)
    for _ in range(4):
        rare = await a_product(mall.database, first, prices={"BRL": 10_000}, on_hand=1)
        plenty = await a_product(mall.database, second, prices={"BRL": 10_000}, on_hand=100)
        before = sum(reserved for _, reserved in stock_of(mall.database, second.id))
        lines = [a_line(first, rare), a_line(second, plenty, 3)]
        answers = await asyncio.gather(place(mall, "ana", *lines), place(mall, "bea", *reversed(lines)))
        assert sorted(answer["__typename"] for answer in answers) == ["CheckoutPlaced", "CheckoutRejected"]
        (rejected,) = (answer for answer in answers if "problems" in answer)
        assert [problem["__typename"] for problem in rejected["problems"]] == ["OutOfStock"]
        assert rejected["problems"][0]["available"] == 0
        assert sum(reserved for _, reserved in stock_of(mall.database, second.id)) == before + 3
    assert len(rows(mall.database, "SELECT id FROM platform.checkout")) == 4
    await check_everything(mall.database)
