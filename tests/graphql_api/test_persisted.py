"""Documents by hash: the protocol of automatic persisted queries, and a trusted list."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphql_api.door import Rules
from graphql_api.persisted import MAX_REMEMBERED_LENGTH, read_trusted, sha256_of
from tenancy.tokens import DevelopmentIssuer
from tests.graphql_api.a_schema import a_client, an_app, an_issuer

QUERY = "query($n: String) { hello(name: $n) }"
HELLO = {"data": {"hello": "hello you"}}
JSON = {"accept": "application/graphql-response+json"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    return an_issuer(tmp_path_factory.mktemp("issuer"))


def hashed(text: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(text)}}}


async def ask(client: httpx.AsyncClient, **body: Any) -> tuple[int, Any]:
    answer = await client.post("/graphql", json=body, headers=JSON)
    return answer.status_code, answer.json() if "errors" not in answer.json() else answer.json()["errors"][0]


async def test_a_hash_is_enough_once_its_document_was_sent(issuer: DevelopmentIssuer) -> None:
    async with a_client(an_app(issuer)) as client:
        status, error = await ask(client, **hashed(QUERY))
        assert (status, error["message"]) == (400, "PersistedQueryNotFound")
        assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        assert await ask(client, query=QUERY, **hashed(QUERY)) == (200, HELLO)
        assert await ask(client, **hashed(QUERY)) == (200, HELLO)
        assert await ask(client, documentId=f"sha256:{sha256_of(QUERY)}") == (200, HELLO)
        extensions = json.dumps(hashed(QUERY)["extensions"])
        got = await client.get("/graphql", params={"extensions": extensions, "variables": '{"n": "Anna"}'})
        assert got.json() == {"data": {"hello": "hello Anna"}}


async def test_a_document_is_not_kept_under_a_hash_that_is_not_its_own(issuer: DevelopmentIssuer) -> None:
    async with a_client(an_app(issuer)) as client:
        assert (await ask(client, query="{ hello }", **hashed(QUERY)))[0] == 400
        assert (await ask(client, query="{ missing }", **hashed("{ missing }")))[0] == 400
        for text in (QUERY, "{ missing }"):
            assert (await ask(client, **hashed(text)))[1]["message"] == "PersistedQueryNotFound"


async def test_documents_are_kept_within_bounds(issuer: DevelopmentIssuer) -> None:
    rules = Rules(budget_per_second=0)
    async with a_client(an_app(issuer, rules=rules)) as client:
        for number in range(MAX_REMEMBERED_LENGTH // 45_000 + 2):
            text = f"{{ hello }} # {number} " + "x" * 45_000
            assert (await ask(client, query=text, **hashed(text)))[0] == 200
        first = "{ hello } # 0 " + "x" * 45_000
        assert (await ask(client, **hashed(first)))[1]["message"] == "PersistedQueryNotFound"
        assert (await ask(client, **hashed(text)))[0] == 200


async def test_only_trusted_documents_run_where_there_is_a_list(issuer: DevelopmentIssuer) -> None:
    rules = Rules(trusted={sha256_of(QUERY): QUERY, "greeting": "{ hello }"})
    async with a_client(an_app(issuer, rules=rules)) as client:
        for allowed in (
            hashed(QUERY),
            {"documentId": "greeting"},
            {"query": QUERY},
            {"documentId": f"sha256:{sha256_of(QUERY)}"},
        ):
            assert await ask(client, **allowed) == (200, HELLO)
        for other in (
            {"query": "{ who }"},
            {"query": QUERY + " "},
            {"documentId": "x"},
            {"query": "{ who }", "documentId": "greeting"},
        ):
            status, error = await ask(client, **other)
            assert (status, error["extensions"]["code"]) == (400, "DOCUMENT_NOT_TRUSTED")
        assert (await ask(client, query="{ who }", **hashed("{ who }")))[0] == 400


@pytest.mark.parametrize(
    "content",
    [
        {"abc": "{ hello }"},
        {"sha256:abc": "{ hello }"},
        {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "abc", "body": "{ hello }"}]},
    ],
    ids=["by hash", "by prefixed id", "a manifest"],
)
def test_lists_of_the_usual_tools_are_read(tmp_path: Path, content: object) -> None:
    path = tmp_path / "trusted.json"
    path.write_text(json.dumps(content))
    assert read_trusted(path) == {"abc": "{ hello }"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 1}', '{"operations": 5}', '{"operations": [{"id": "a"}]}'])
def test_a_broken_list_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "trusted.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"trusted\.json: give"):
        read_trusted(path)
