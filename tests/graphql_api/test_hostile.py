"""Every request of the hostile corpus is refused with its status, and told nothing of what is inside."""

import orjson
import pytest

from graphql_api.cost import Sum, plan_of
from graphql_api.schema import schema
from tests.graphql_api.hostility import INTERNAL, send
from tests.graphql_api.shops import Shops
from tests.hostile.corpus import KINDS, Hostile, corpus

pytestmark = pytest.mark.asyncio(loop_scope="module")
CORPUS = list(corpus())


async def test_the_corpus_is_large_and_of_every_kind() -> None:
    assert len(CORPUS) >= 300
    assert {request.kind for request in CORPUS} == set(KINDS)


@pytest.mark.parametrize("request_", CORPUS, ids=lambda request: f"{request.kind}-{CORPUS.index(request)}")
async def test_a_hostile_request_is_refused(production: Shops, request_: Hostile) -> None:
    status, body = await send(production.mall.app, request_)
    assert status == request_.status, (request_.name, body[:300])
    answer = orjson.loads(body)
    assert answer.keys() == {"errors"}, request_.name
    shown = " ".join(error["message"] for error in answer["errors"])
    echoed = request_.body.decode(errors="replace")
    leaked = [found for found in INTERNAL.findall(shown) if found not in echoed]
    assert not leaked, (request_.name, shown[:300])
    assert len(body) < 5_000, request_.name


async def test_a_bomb_of_fragments_is_counted_by_its_text() -> None:
    """Doubling thirty times over costs one visit to each selection set that is written, in both counts."""
    for levels in (5, 30):
        chain = "".join(f" fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
        text = f"{{ viewer {{ ...F0 }} }}{chain} fragment F{levels} on Viewer {{ id }}"
        document = schema.prepare(text).document
        if document is None:
            raise AssertionError("it is well written")
        added = Sum({})
        assert added.of(plan_of(schema.graphql_schema, document, document.definitions[0])) == 11  # type: ignore[arg-type]
        assert added.visits == levels + 3
