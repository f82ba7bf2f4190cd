"""What clients read of things gone wrong: problems with their facts, their own mistakes, and nothing of ours."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from graphql import GraphQLObjectType

from graphql_api.errors import answered
from graphql_api.problems import PROBLEMS
from graphql_api.relay import encode_id
from merchantry.domain import errors
from merchantry.domain.errors import MarketError
from tests.graphql_api.a_schema import TEA, VARIANT, a_client, a_context, a_market_schema, an_app, an_issuer


async def ask(query: str, **variables: Any) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    result = await a_market_schema().execute(query, variable_values=variables, context_value=a_context(merchant=TEA))
    return result.data, answered(result.errors or [])


@pytest.mark.parametrize("field", ["broken", "wrapped", "unexpectedlyTyped"])
async def test_faults_are_masked_and_logged_whole(field: str) -> None:
    with structlog.testing.capture_logs() as logs:
        data, (error,) = await ask(f"{{ hello {field} }}")
    assert data == {"hello": "hello you", field: None}
    assert (error["message"], error["path"]) == ("Internal error", [field])
    assert error["extensions"].keys() == {"code", "id"}
    assert "hunter2" not in str(error)
    assert "secret" not in str(error)
    assert logs[0]["id"] == error["extensions"]["id"]
    assert isinstance(logs[0]["exc_info"], Exception)


@pytest.mark.parametrize(
    ("query", "variables", "told"),
    [
        ("{ hello(name: 5) }", {}, "String cannot represent"),
        ("query($n: String) { hello(name: $n) }", {"n": 5}, "Variable '$n' has invalid value"),
        ("query($c: Color!) { colored(color: $c) }", {"c": "BLUE"}, "does not exist in 'Color' enum"),
        ("query($d: DateTime) { colored(color: RED, at: $d) }", {"d": "noon"}, "A moment is a text with its zone"),
        ("{ helo }", {}, "Cannot query field"),
        ("{", {}, "Syntax Error"),
    ],
)
async def test_the_clients_mistakes_stay_readable(query: str, variables: dict[str, Any], told: str) -> None:
    with structlog.testing.capture_logs() as logs:
        _, told_errors = await ask(query, **variables)
    assert told in told_errors[0]["message"]
    assert logs == []


async def test_an_answer_quotes_a_mistake_in_part_only() -> None:
    _, (error,) = await ask("{ hello(" + 'name: "x" ' * 300 + ") }")
    assert len(error["locations"]) == 5
    _, (error,) = await ask("{ " + "x" * 40_000 + " }")
    assert len(error["message"]) == 1000


async def test_expected_errors_of_queries_are_readable() -> None:
    _, (error,) = await ask("{ refused }")
    assert error["message"] == "Send something else."
    assert error["extensions"] == {"code": "INVALID_INPUT", "path": ["lines", "2"]}
    _, (error,) = await ask("{ secret }")
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    _, (error,) = await ask("{ guarded }")
    assert error["extensions"] == {"code": "FORBIDDEN", "permission": "payout.release"}
    assert (await ask('{ orders(after: "x") { nodes { id } } }'))[1][0]["extensions"]["code"] == "INVALID_INPUT"


def test_every_expected_error_has_a_problem_type() -> None:
    leaves = {error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, MarketError)}
    assert set(PROBLEMS) == leaves - {MarketError}
    types = a_market_schema()._schema.type_map
    for error_class in PROBLEMS:
        made = types[error_class.__name__]
        assert isinstance(made, GraphQLObjectType)
        assert [interface.name for interface in made.interfaces] == ["Problem"]
        assert "_minor" not in str(made.fields)


def test_facts_have_their_types() -> None:
    sdl = a_market_schema().as_str()
    for facts in (
        "interface Problem {",
        "  code: ProblemCode!",
        "  variantId: ID!\n  available: Int!",
        "  seen: Money!\n  now: Money!\n  variantId: ID!",
        "  expired",
        "  problems: [Problem!]!",
        "  problems: [Mistake!]!",
        "  missing: [String!]!",
        "  OUT_OF_STOCK\n",
    ):
        assert facts in sdl
    assert (
        "union StockTakeResult = StockTaken | OutOfStock | PriceChanged | CheckoutRejected | PlanInvalid | "
        "QuoteExpired | NotFound | InvalidQuantity | InvalidInput | UnknownCurrency" in sdl
    )
    assert "    input: StockTakeInput!\n  ): StockTakeResult!" in sdl
    assert '"""Take pieces out of stock."""' in sdl


TAKE = """mutation($input: StockTakeInput!) { stockTake(input: $input) {
    __typename
    ... on StockTaken { left priceMinor }
    ... on Problem { code message path }
    ... on OutOfStock { variantId available }
    ... on PriceChanged { variantId seen { amount currency } now { amount } }
    ... on CheckoutRejected { rejected: problems { __typename path ... on OutOfStock { variantId } } }
    ... on PlanInvalid { mistakes: problems { path remedy } }
    ... on QuoteExpired { expiredAt }
} }"""
GIVEN_ID = encode_id("Variant", TEA.id, VARIANT)


async def take(quantity: int, **changes: Any) -> tuple[Any, list[dict[str, Any]]]:
    price = {"amount": "12.30", "currency": "EUR"} | changes
    data, told = await ask(TAKE, input={"variantId": GIVEN_ID, "quantity": quantity, "price": price})
    return (data or {}).get("stockTake"), told


async def test_a_mutation_answers_its_success() -> None:
    assert await take(50) == ({"__typename": "StockTaken", "left": 50, "priceMinor": 1230}, [])
    taken, _ = await take(50, amount="12", currency="JPY")
    assert taken["priceMinor"] == 12


async def test_a_problem_carries_its_facts() -> None:
    problem, told = await take(1)
    assert told == []
    assert problem == {
        "__typename": "OutOfStock",
        "code": "OUT_OF_STOCK",
        "message": "Only 3 left in stock; lower the quantity or remove the line.",
        "path": ["input", "quantity"],
        "variantId": GIVEN_ID,
        "available": 3,
    }
    changed, _ = await take(2)
    assert changed["seen"] == {"amount": "1.00", "currency": "EUR"}
    assert changed["now"] == {"amount": "12.50"}
    assert changed["variantId"] == encode_id("Variant", TEA.id, UUID(int=5))
    assert (await take(5))[0]["expiredAt"] == "2026-03-01T12:00:00+00:00"
    assert (await take(4))[0]["mistakes"] == [{"path": "$.default", "remedy": "Give a rate."}]


async def test_all_failing_lines_are_told_at_once() -> None:
    rejected, _ = await take(3)
    assert rejected["rejected"] == [
        {"__typename": "OutOfStock", "path": ["lines", "0"], "variantId": GIVEN_ID},
        {"__typename": "UnknownVariant", "path": ["lines", "1"]},
    ]


@pytest.mark.parametrize(
    ("changes", "problem", "path"),
    [
        ({"currency": "XXX"}, "UnknownCurrency", ["input", "price", "currency"]),
        ({"currency": "eur"}, "UnknownCurrency", ["input", "price", "currency"]),
        ({"amount": "12.345"}, "InvalidInput", ["input", "price", "amount"]),
        ({"amount": "1e3"}, "InvalidInput", ["input", "price", "amount"]),
        ({"amount": ""}, "InvalidInput", ["input", "price", "amount"]),
        ({"amount": "9" * 20}, "InvalidInput", ["input", "price", "amount"]),
        ({"amount": "1.5", "currency": "JPY"}, "InvalidInput", ["input", "price", "amount"]),
    ],
)
async def test_bad_money_names_where_and_what(changes: dict[str, str], problem: str, path: list[str]) -> None:
    told, _ = await take(50, **changes)
    assert (told["__typename"], told["path"]) == (problem, path)


@pytest.mark.parametrize("amount", [12.3, 12, None, True, ["12"], "1" * 50])
async def test_money_is_never_a_number(amount: Any) -> None:
    taken, (told,) = await take(50, amount=amount)
    assert taken is None
    assert told["message"] != "Internal error"


async def test_undeclared_expected_errors_are_readable_too() -> None:
    for quantity, code in ((6, "SKU_TAKEN"), (7, "NOT_PERMITTED")):
        taken, (told,) = await take(quantity)
        assert (taken, told["extensions"]["code"]) == (None, code)


async def test_faults_of_mutations_are_masked() -> None:
    with structlog.testing.capture_logs():
        taken, (told,) = await take(8)
    assert (taken, told["message"]) == (None, "Internal error")


async def test_a_broken_id_is_not_found() -> None:
    price = {"amount": "1", "currency": "EUR"}
    data, told = await ask(TAKE, input={"variantId": "nonsense", "quantity": 1, "price": price})
    assert told == []
    assert data is not None
    assert data["stockTake"]["__typename"] == "NotFound"
    assert data["stockTake"]["path"] == ["input", "variantId"]


async def test_masked_errors_are_answered_over_http(tmp_path: Path) -> None:
    async with a_client(an_app(an_issuer(tmp_path))) as client:
        with structlog.testing.capture_logs() as logs:
            answer = await client.post("/graphql", json={"query": "{ hello broken }"})
    assert answer.status_code == 200
    assert answer.json()["data"] == {"hello": "hello you", "broken": None}
    assert answer.json()["errors"][0]["extensions"]["id"] == logs[0]["id"]
    assert "hunter2" not in answer.text
