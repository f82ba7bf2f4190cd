"""Logs hold no secrets and no personal data, whatever is sent and however it fails."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from graphql_api.logging import configure_logging
from merchantry.domain.permission import MerchantRole
from tenancy.database import Database
from tenancy.machine_tokens import new_token
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import ADDRESS, PAY, PLACE, a_cart, a_line
from tests.graphql_api.mall import Mall, open_mall

EMAIL = "olga.secret@private.example"
IBAN = "DE89370400440532013000"
STREET = "Rua do Segredo 1234567"
WORD = "hunter2-hunter2-hunter2"
MARKS = (EMAIL, IBAN, STREET, WORD)

QUOTE = "mutation ($i: CheckoutQuoteInput!) { checkoutQuote(input: $i) { __typename } }"
NAME = "mutation ($i: MachineTokenCreateInput!) { machineTokenCreate(input: $i) { __typename } }"
SAY = "mutation ($i: PayeeAccountAddInput!) { payeeAccountAdd(input: $i) { __typename } }"


def with_mark(mark: str) -> list[dict[str, Any]]:
    """Requests that hold the text in every place that a request has."""
    return [
        {"json": {"query": f'{{ shop(slug: "{mark}") {{ __typename }} }}'}},
        {"json": {"query": "query ($s: String!) { shop(slug: $s) { __typename } }", "variables": {"s": mark}}},
        {"json": {"query": f'{{ noSuchField(x: "{mark}") }}'}},
        {"json": {"query": "{ __typename }", "operationName": mark}},
        {"json": {"query": "query ($n: Int!) { categories { code } }", "variables": {"n": mark}}},
        {"json": {"query": f"# {mark}\n{{"}},
        {"content": mark.encode(), "headers": {"content-type": "application/json"}},
        {"content": b"{" + mark.encode(), "headers": {"content-type": "application/json"}},
        {"json": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": mark}}}},
        {"json": {"query": "{ __typename }"}, "headers": {"authorization": f"Bearer {mark}"}},
        {"json": {"query": "{ __typename }"}, "headers": {"authorization": mark}},
        {"json": {"query": "{ __typename }"}, "headers": {"x-merchant": mark}},
        {"json": {"query": "{ __typename }"}, "headers": {"cookie": f"session={mark}"}},
        {"json": {"query": "{ __typename }"}, "headers": {"x-request-id": f"<{mark}>"}},
        {"json": {"query": "{ __typename }"}, "headers": {"user-agent": mark, "origin": f"https://{mark}"}},
    ]


@pytest.mark.parametrize("development", [True, False], ids=["development", "production"])
async def test_no_log_line_holds_what_was_sent(
    database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str], development: bool
) -> None:
    configure_logging(development=development)
    async with open_mall(database, tmp_path, development=development) as mall:
        kites = await a_merchant(database, "kites")
        await mall.hire("owner", kites, MerchantRole.OWNER)
        lamp = await a_product(database, kites)
        secret, _ = new_token(uuid4())
        marks = [*MARKS, secret, mall.token(EMAIL)]
        for mark in marks:
            for request in with_mark(mark):
                await mall.http.post("/graphql", **request)
            await mall.http.get("/graphql", params={"query": f'{{ shop(slug: "{mark}") {{ __typename }} }}'})
            await mall.http.get("/reports/x", headers={"authorization": f"Bearer {mark}"})
        address = {**ADDRESS, "name": EMAIL, "street": STREET}
        cart = a_cart(a_line(kites, lamp, 1, "100.00"), shipTo=address)
        for document in (QUOTE, PLACE, PAY, SAY):
            given = {"cart": cart, "idempotencyKey": WORD, "holder": WORD, "iban": IBAN}
            await mall.ask(document, {"i": given, "input": given}, who=EMAIL, merchant="kites")
        bank = {"kind": "BANK", "currency": "EUR", "holder": WORD, "iban": IBAN, "idempotencyKey": str(uuid4())}
        await mall.ask(SAY, {"i": bank}, who="owner", merchant="kites")
        await _with_a_broken_database(mall)
    logged = "".join(capfd.readouterr())
    assert "request" in logged
    assert "fault" in logged
    for mark in marks:
        assert mark not in logged, [line for line in logged.splitlines() if mark in line][:3]


async def _with_a_broken_database(mall: Mall) -> None:
    """A statement fails with its parameters bound: the log says which, not what it was about."""
    given = {"i": {"name": WORD, "scopes": ["PRODUCT_READ"]}}
    good = await mall.ask(NAME, given, who="owner", merchant="kites")
    assert good.data["machineTokenCreate"]["__typename"] == "MachineTokenCreated", good.body
    with psycopg.connect(mall.database.logins.owner, autocommit=True) as connection:
        connection.execute("ALTER TABLE platform.machine_token ADD CHECK (name = '') NOT VALID")
    broken = await mall.ask(NAME, given, who="owner", merchant="kites")
    assert broken.codes == ["INTERNAL"]
