"""What operations cost, and what is left of a budget."""

from typing import Any

import httpx
import pytest
from graphql import OperationDefinitionNode

from graphql_api.budget import Allowance, Budgets, OverBudget
from graphql_api.cost import Sum, plan_of
from graphql_api.door import Rules
from graphql_api.schema import schema
from tests.graphql_api.a_schema import a_client, an_app, an_issuer

PAGE = "nodes { id total { amount } lines { title unitPrice { amount } } }"


def cost(document: str, **variables: Any) -> int:
    prepared = schema.prepare(document)
    assert prepared.document is not None
    assert not prepared.errors, prepared.errors
    node: OperationDefinitionNode = prepared.operations()[0]
    return Sum(variables).of(plan_of(schema.graphql_schema, prepared.document, node))


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        ("{ __typename }", {}, 10),
        ("{ viewer { __typename } }", {}, 10 + 1),
        ("{ merchant { orders(first: 50) { nodes { id } } } }", {}, 10 + 1 + 1 + 50),
        ("{ merchant { orders(first: 50) { edges { cursor node { id } } } } }", {}, 10 + 1 + 1 + 50),
        ("{ merchant { orders(first: 50) { pageInfo { endCursor } } } }", {}, 10 + 1 + 1 + 1),
        ("{ merchant { orders { nodes { id } } } }", {}, 10 + 1 + 1 + 20),
        ("{ merchant { orders(first: 1000) { nodes { id } } } }", {}, 10 + 1 + 1 + 100),
        (f"{{ merchant {{ orders(first: 2) {{ {PAGE} }} }} }}", {}, 10 + 1 + 1 + 2 * (1 + 1 + 10 * (1 + 1))),
        ("query($n: Int) { merchant { orders(first: $n) { nodes { id } } } }", {"n": 7}, 10 + 1 + 1 + 7),
        ("query($n: Int) { merchant { orders(first: $n) { nodes { id } } } }", {"n": None}, 10 + 1 + 1 + 20),
        ("query($n: Int) { merchant { orders(first: $n) { nodes { id } } } }", {"n": -5}, 10 + 1 + 1),
        ("query($n: Int) { merchant { orders(first: $n) { nodes { id } } } }", {"n": "many"}, 10 + 1 + 1 + 20),
        ("query($n: Int = 3) { merchant { orders(first: $n) { nodes { id } } } }", {}, 10 + 1 + 1 + 3),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a"] * 4}, 10 + 4),
        ('{ nodes(ids: ["a", "b"]) { id } }', {}, 10 + 2),
        ("{ ...F } fragment F on Query { viewer { __typename } }", {}, 10 + 1),
        (
            "{ merchant { a: orders(first: 3) { ...C } b: orders(first: 4) { ...C } } }"
            " fragment C on OrderConnection { nodes { id } }",
            {},
            10 + 1 + 2 + 3 + 4,
        ),
    ],
)
def test_a_cost_is_known_before_anything_runs(document: str, variables: dict[str, Any], expected: int) -> None:
    assert cost(document, **variables) == expected


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_refills_and_is_taken_from_all_buckets_or_none() -> None:
    clock = Clock()
    budgets = Budgets(clock)
    own, shared = Allowance(100, 10), Allowance(120, 20)
    assert budgets.spend([("anna", own), ("tea", shared)], 90).remaining == 10
    with pytest.raises(OverBudget) as refused:
        budgets.spend([("bert", own), ("tea", shared)], 90)
    assert (refused.value.retry_after_seconds, refused.value.standing.limit) == (3, 120)
    assert budgets.spend([("bert", own)], 100).remaining == 0
    clock.now = 3.0
    assert budgets.spend([("bert", own)], 30).remaining == 0
    clock.now = 1000.0
    assert budgets.spend([("anna", own), ("tea", shared)], 0).remaining == 100


def test_what_costs_more_than_a_bucket_holds_is_paid_in_advance() -> None:
    clock = Clock()
    budgets = Budgets(clock)
    claims = [("anna", Allowance(100, 10))]
    assert budgets.spend(claims, 250).remaining == 0
    with pytest.raises(OverBudget) as refused:
        budgets.spend(claims, 250)
    assert refused.value.retry_after_seconds == 25
    clock.now = 25.0
    assert budgets.spend(claims, 100).remaining == 0


def test_what_is_charged_in_arrears_is_bounded() -> None:
    clock = Clock()
    budgets = Budgets(clock)
    for _ in range(100):
        budgets.charge([("anna", Allowance(100, 10))], 50)
    with pytest.raises(OverBudget) as refused:
        budgets.spend([("anna", Allowance(100, 10))], 0)
    assert refused.value.retry_after_seconds == 1


async def test_the_cost_is_shown_to_who_asks(tmp_path_factory: pytest.TempPathFactory) -> None:
    issuer = an_issuer(tmp_path_factory.mktemp("issuer"))
    async with a_client(an_app(issuer, rules=Rules(budget_per_second=100))) as client:
        body = {"query": "{ orders(first: 7) { nodes { number } } }"}
        shown = (await client.post("/graphql", json=body, headers={"x-merchantry-cost": "1"})).json()
        assert shown["extensions"]["cost"] == {"requested": 18, "remaining": 232, "limit": 250, "restoreRate": 50}
        assert "extensions" not in (await client.post("/graphql", json=body)).json()


async def test_who_has_spent_their_budget_waits_and_others_do_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    issuer = an_issuer(tmp_path_factory.mktemp("issuer"))

    async def ask(client: httpx.AsyncClient, query: str, **headers: str) -> httpx.Response:
        return await client.post("/graphql", json={"query": query}, headers=headers)

    async with a_client(an_app(issuer, rules=Rules(budget_per_second=8))) as client:
        refused = [await ask(client, "{ hello }") for _ in range(4)][-1]
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (429, "BUDGET_SPENT")
        assert int(refused.headers["retry-after"]) >= 1
        owner = {"authorization": f"Bearer {issuer.issue('owner', None, 60)}"}
        assert (await ask(client, "{ hello }", **owner)).status_code == 200
    async with a_client(an_app(issuer, rules=Rules(budget_per_second=8))) as client:
        broken = [(await ask(client, "{ missing }")).status_code for _ in range(4)]
        assert broken[-1] == 429


async def test_an_operation_that_costs_too_much_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    issuer = an_issuer(tmp_path_factory.mktemp("issuer"))
    page = "orders(first: 100) { nodes { itself { itself { itself { total { amount } } } } } }"
    body = {"query": "{" + " ".join(f"a{n}: {page}" for n in range(20)) + "}"}
    accept = {"accept": "application/graphql-response+json"}
    async with a_client(an_app(issuer, rules=Rules(budget_per_second=0))) as client:
        assert (await client.post("/graphql", json=body, headers=accept)).status_code == 200
        body["query"] = body["query"].replace("total { amount }", 12 * "itself {" + " number " + 12 * "}")[:-1] + "}"
        assert (await client.post("/graphql", json=body, headers=accept)).status_code == 400
