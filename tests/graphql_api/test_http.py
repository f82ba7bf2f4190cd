"""GraphQL over HTTP as clients and attackers speak it, through the whole application."""

import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from graphql import get_introspection_query

from graphql_api.logging import configure_logging
from tenancy.tokens import DevelopmentIssuer
from tests.graphql_api.a_schema import a_client, an_app, an_issuer

RESPONSE_JSON = "application/graphql-response+json"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    return an_issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
async def client(issuer: DevelopmentIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(an_app(issuer)) as client:
        yield client


async def post(client: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    all_headers = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return await client.post("/graphql", content=content, headers=all_headers)


async def ask(client: httpx.AsyncClient, query: str, **parameters: Any) -> httpx.Response:
    headers = {"accept": RESPONSE_JSON}
    return await client.post("/graphql", json={"query": query, **parameters}, headers=headers)


async def test_a_query_is_answered(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "query($n: String!) { hello(name: $n) }", variables={"n": "Anna"})
    assert (answer.status_code, answer.json()) == (200, {"data": {"hello": "hello Anna"}})
    assert answer.headers["content-type"] == RESPONSE_JSON
    assert answer.headers["cache-control"] == "no-store"
    assert "Authorization" in answer.headers["vary"]


async def test_a_query_by_get_is_answered(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/graphql", params={"query": "query A($n: String) { hello(name: $n) }", "variables": '{"n": "Anna"}'}
    )
    assert answer.json() == {"data": {"hello": "hello Anna"}}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", "application/json"),
        (RESPONSE_JSON, RESPONSE_JSON),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        (f"application/json, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.5, application/json", "application/json"),
        (f"application/json;q=0.9, {RESPONSE_JSON}; charset=utf-8", RESPONSE_JSON),
        ("text/event-stream, application/json", "application/json"),
        (f"{RESPONSE_JSON};q=0, */*", "application/json"),
    ],
)
async def test_the_accepted_media_type_is_answered(client: httpx.AsyncClient, accept: str, media_type: str) -> None:
    answer = await post(client, b'{"query": "{ hello }"}', accept=accept)
    assert answer.headers["content-type"] == media_type


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png", "application/json;q=0", "application/json;charset=latin1"]
)
async def test_other_media_types_are_not_acceptable(client: httpx.AsyncClient, accept: str) -> None:
    assert (await post(client, b'{"query": "{ hello }"}', accept=accept)).status_code == 406


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_are_not_allowed(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/graphql")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": "application/graphql"},
        {"content_type": ""},
        {"content_type": "application/json; charset=latin1"},
        {"content_encoding": "gzip"},
    ],
)
async def test_other_bodies_are_not_supported(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await post(client, b'{"query": "{ hello }"}', **headers)).status_code == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'APPLICATION/JSON;Charset="UTF-8"'])
async def test_json_may_name_its_charset(client: httpx.AsyncClient, content_type: str) -> None:
    assert (await post(client, b'{"query": "{ hello }"}', content_type=content_type)).status_code == 200


BROKEN_BODIES = [
    b"",
    b"null",
    b"[]",
    b'[{"query": "{ hello }"}]',
    b"5",
    b'"query"',
    b"{",
    b"{}",
    b'{"query": null}',
    b'{"query": ""}',
    b'{"query": 5}',
    b'{"query": ["{ hello }"]}',
    b'{"query": "{ hello }", "variables": []}',
    b'{"query": "{ hello }", "variables": "{}"}',
    b'{"query": "{ hello }", "variables": {"n": NaN}}',
    b'{"query": "{ hello }", "operationName": 5}',
    b'{"query": "{ hello }", "operationName": "Other"}',
    b'{"query": "{ hello }", "operationName": "' + b"x" * 300 + b'"}',
    b'{"query": "{ hello }", "extensions": 5}',
    b'{"query": "\xff"}',
    b'{"query": "\\ud800"}',
    b'{"query": "{ hello }", "variables": {"n": ' + b"1" * 5000 + b"}}",
    b'{"query": "{ hello }", "variables": {"n": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
    b'{"query": "{ hello }", "variables": {"n": [{"a\\u0000": 1}]}}',
    b'{"query": "{ hello(name: \\"\\\\u0000\\") }"}',
    b'{"query": "{ hello(name: \\"\\\\u{0}\\") }"}',
    b'{"query": "{ hello(name: \\u0000) }"}',
    b'{"query": "{ hello"}',
    b'{"query": "' + b"{ hello " * 5000 + b'"}',
    b'{"query": "{ hello(name: ' + b"[" * 3000 + b']) }"}',
    b'{"query": "{ hello(name: ' + b"1" * 5000 + b') }"}',
    b'{"query": "{ missing }"}',
    b'{"query": "{ hello(name: 5) }"}',
    b'{"query": "query($n: String!) { hello(name: $n) }"}',
    b'{"query": "query($n: String) { hello(name: $n) }", "variables": {"n": 5}}',
    b'{"query": "query($n: Int) { orders(first: $n) { nodes { id } } }", "variables": {"n": 99999999999}}',
    b'{"query": "query($d: DateTime) { colored(color: RED, at: $d) }", "variables": {"d": "tomorrow"}}',
    b'{"query": "{ colored(color: BLUE) }"}',
    b'{"query": "query A { hello } query B { hello }"}',
    b'{"query": "fragment A on Query { hello }"}',
    b'{"query": "type A { b: Int }"}',
    b'{"query": "subscription { hello }"}',
]


@pytest.mark.parametrize("body", BROKEN_BODIES, ids=lambda body: body[:60].decode("latin-1"))
async def test_a_broken_request_is_told_so(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await post(client, body, accept=RESPONSE_JSON)
    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert "data" not in answer.json()
    assert error["message"] not in ("", "Internal error")
    assert not {"object has no", "Traceback", "recursion"} & set(error["message"].split("'"))


async def test_a_failed_request_is_200_for_plain_json(client: httpx.AsyncClient) -> None:
    answer = await post(client, b'{"query": "{ missing }"}', accept="application/json")
    assert answer.status_code == 200
    assert "data" not in answer.json()
    assert (await post(client, b"null", accept="application/json")).status_code == 400


async def test_two_operations_need_a_name(client: httpx.AsyncClient) -> None:
    document = 'query A { hello } query B { hello(name: "B") }'
    assert (await ask(client, document, operationName="B")).json() == {"data": {"hello": "hello B"}}
    refused = await ask(client, document)
    assert (
        refused.json()["errors"][0]["message"] == "The document holds several operations: say which by operationName."
    )


async def test_mutations_are_refused_by_get(client: httpx.AsyncClient) -> None:
    for query in ("mutation { stockTake { __typename } }", "mutation A { __typename }"):
        answer = await client.get("/graphql", params={"query": query}, headers={"accept": RESPONSE_JSON})
        assert answer.status_code in (400, 405)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "query=",
        "query={hello}&query={hello}",
        "query={hello}&variables=null5",
        "query={hello}&variables=[]",
        "query=%ff",
    ],
)
async def test_a_broken_get_is_told_so(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/graphql?{query}", headers={"accept": RESPONSE_JSON})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


async def test_a_long_body_is_too_large(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 50_000

    assert (await post(client, b" " * 1_000_001)).status_code == 413
    chunked = await client.post("/graphql", content=chunks(), headers={"content-type": "application/json"})
    assert "content-length" not in chunked.request.headers
    assert chunked.status_code == 413
    assert (await post(client, b'{"query": "{ hello }"}' + b" " * 900_000)).status_code == 200


async def test_the_page_for_developers_is_for_developers(issuer: DevelopmentIssuer) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with a_client(an_app(issuer, development=True)) as client:
        page = await client.get("/graphql", headers=browser)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "{{" not in page.text
        assert (await client.get("/graphql")).status_code == 400
        assert (await client.get("/graphql?query={hello}", headers=browser)).json() == {"data": {"hello": "hello you"}}
        assert (await client.post("/graphql", headers={"accept": "text/html"})).status_code == 406
    async with a_client(an_app(issuer)) as client:
        assert (await client.get("/graphql", headers=browser)).status_code == 400


async def test_the_schema_is_described_while_developing_only(issuer: DevelopmentIssuer) -> None:
    async with a_client(an_app(issuer, development=True)) as client:
        schema = (await ask(client, get_introspection_query())).json()["data"]["__schema"]
        assert {"OutOfStock", "Problem", "Decimal", "CurrencyCode"} <= {made["name"] for made in schema["types"]}
    async with a_client(an_app(issuer)) as client:
        for query in (
            get_introspection_query(),
            '{ __type(name: "Query") { name } }',
            "{ ...F } fragment F on Query { a: __schema { description } }",
        ):
            refused = await ask(client, query)
            assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (
                400,
                "INTROSPECTION_DISABLED",
            )
        assert (await ask(client, '{ hello(name: "__schema") __typename }')).status_code == 200


async def test_names_are_suggested_while_developing_only(issuer: DevelopmentIssuer) -> None:
    meant = "Did you mean"
    for development in (True, False):
        async with a_client(an_app(issuer, development=development)) as client:
            typo = (await ask(client, "{ hallo }")).text
            enum = (await ask(client, "query($c: Color!) { colored(color: $c) }", variables={"c": "REDD"})).text
            assert [meant in typo, meant in enum] == [development, development]


async def test_data_with_errors_is_partial_success(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "{ hello broken }")).status_code == 294
    assert (await post(client, b'{"query": "{ hello broken }"}', accept="application/json")).status_code == 200


async def test_a_batch_is_refused(client: httpx.AsyncClient) -> None:
    answer = await post(client, b'[{"query": "{ hello }"}]')
    assert (answer.status_code, "batches" in answer.json()["errors"][0]["message"]) == (400, True)


async def test_who_asks_reaches_the_resolver(client: httpx.AsyncClient, issuer: DevelopmentIssuer) -> None:
    assert (await ask(client, "{ who }")).json() == {"data": {"who": "nobody None"}}
    headers = {"authorization": f"Bearer {issuer.issue('owner', None, 60)}", "x-merchant": "tea-house"}
    answer = await client.post("/graphql", json={"query": "{ who }"}, headers=headers)
    assert answer.json() == {"data": {"who": "somebody tea-house"}}
    refused = await client.post("/graphql", json={"query": "{ who }"}, headers={"x-merchant": "tea-house"})
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (403, "MERCHANT_REFUSED")
    assert refused.headers["x-request-id"]


async def test_health(issuer: DevelopmentIssuer) -> None:
    for ready, status in ((True, 200), (False, 503)):
        async with a_client(an_app(issuer, ready=ready)) as client:
            assert (await client.get("/health/live", headers={"authorization": "x"})).status_code == 200
            assert (await client.get("/health/ready")).status_code == status


@pytest.mark.parametrize(
    ("given", "kept"), [("0f8b-req_1.2", True), ("short", False), ("with space here", False), ("x" * 129, False)]
)
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str, kept: bool) -> None:
    answer = await client.get("/health/live", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert len(answer.headers["x-request-id"]) >= 8


async def test_one_line_is_logged_without_what_is_private(client: httpx.AsyncClient, issuer: DevelopmentIssuer) -> None:
    token = issuer.issue("owner", None, 60)
    headers = {"authorization": f"Bearer {token}", "x-merchant": "tea-house", "x-request-id": "request-1"}
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        query = "query Greet($n: String!) { hello(name: $n) }"
        await client.post("/graphql", json={"query": query, "variables": {"n": "Anna"}}, headers=headers)
    (line,) = logs
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": "request-1",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "merchant": "tea-house",
        "operation": "Greet",
    }


async def test_an_outage_is_masked_and_logged(client: httpx.AsyncClient, issuer: DevelopmentIssuer) -> None:
    headers = {"authorization": f"Bearer {issuer.issue('outage', None, 60)}"}
    with structlog.testing.capture_logs() as logs:
        answer = await client.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert answer.status_code == 500
    error = answer.json()["errors"][0]
    assert error["message"] == "Internal error"
    assert "10.0.0.7" not in answer.text
    fault, request = logs
    assert (fault["id"], str(fault["exc_info"])) == (error["extensions"]["id"], "no route to 10.0.0.7")
    assert request["status"] == 500


@pytest.fixture
def restored_logging() -> Iterator[None]:
    kept = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = kept
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored_logging")
def test_logs_are_json_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    configure_logging(development=False)
    structlog.get_logger().info("request", path="/a\nb")
    logging.getLogger("a.library").warning("beware of %s", "this")
    try:
        raise RuntimeError("lost")
    except RuntimeError as error:
        structlog.get_logger().error("fault", exc_info=error)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["request", "beware of this", "fault"]
    assert lines[0]["path"] == "/a\nb"
    assert "RuntimeError: lost" in lines[2]["exception"]
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)
    configure_logging(development=True)
    structlog.get_logger().info("request", path="/a")
    assert "request" in capsys.readouterr().err
    assert sys.stderr
