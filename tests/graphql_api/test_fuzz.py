"""Requests made up at random from good and hostile ones: none is answered 500, none is told what is inside.

FUZZ_SECONDS says for how long; a failure prints the seed and the request.
"""

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from merchantry.domain.permission import MerchantRole
from tests.graphql_api.hostility import INTERNAL, send
from tests.graphql_api.shops import Shops
from tests.hostile.corpus import Hostile, corpus

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))
JSON = (b"content-type", b"application/json")
ACCEPT = (b"accept", b"application/graphql-response+json")
DOCUMENTS = (
    "{ __typename }",
    "{ viewer { id email } }",
    "query L($first: Int, $after: String) { listings(first: $first, after: $after) { nodes { id title variants {"
    " sku prices { amount currency } } } pageInfo { hasNextPage endCursor } } }",
    "query N($id: ID!) { node(id: $id) { __typename id ... on Order { number } ...F } } fragment F on Shop { name }",
    "{ merchant { orders(first: 5) { edges { cursor node { id total { amount } lines { title quantity } } } } } }",
    '{ nodes(ids: ["a", "b"]) { id } platform { merchants(first: 2) { nodes { slug } } } }',
    "mutation A($i: StockAdjustInput!) { stockAdjust(input: $i) { __typename ... on Problem { code message path } } }",
    'mutation { checkoutPlace(input: { idempotencyKey: "k", quoteId: "q" }) { __typename } }',
)
VALUES: Sequence[object] = (
    None, True, 0, -1, 1, 101, 2**31, 2**63, 2**70, 1.5, 1e300, "", "x", "\0", "é", "\U0001f3c3", "9" * 5000,
    "x" * 2000,
    "2026-02-30T00:00:00Z", "-0.00", "1e9", "NaN", [], [[]], [None], {}, {"a": {}}, {"amount": "1", "currency": "BRL"},
)  # fmt: skip
PIECES = (
    "{", "}", "(", ")", "[", "]", ":", "$", "!", "@", "...", "|", "&", "=", '"', '"""', "#", ",", " ", "\n",
    "\ufeff", "\0",
    "on", "query", "mutation", "subscription", "fragment", "null", "true", "first: 100", "$first",
    "__typename", "__schema",
    "@skip(if: true)", "@include(if: $x)", "...F", "{ id }", "viewer", "node", "\\u0000", "\\ud800",
    "9" * 400, "-1", "1e400",
)  # fmt: skip


class Maker:
    """Makes requests up, the same ones for the same seed."""

    def __init__(self, seed: int, known: Sequence[Hostile], tokens: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._known = known
        self._tokens = tokens

    def request(self) -> Hostile:
        """A request: a good one with changes, or one of the corpus with changes, or half of each."""
        chance = self._random.random()
        made = self._good() if chance < 0.7 else self._random.choice(self._known)
        if chance > 0.5:
            made = replace(made, body=self._bytes(made.body))
        if self._random.random() < 0.2:
            made = replace(made, headers=self._headers(made.headers))
        return made

    def _good(self) -> Hostile:
        document = self._random.choice(DOCUMENTS)
        for _ in range(self._random.choice((0, 0, 1, 2, 5, 20))):
            document = self._changed(document)
        variables = {name: self._value() for name in ("first", "after", "id", "i", "x") if self._random.random() < 0.7}
        asked = {"query": document, "variables": variables}
        headers = [JSON, ACCEPT]
        if self._random.random() < 0.6:
            headers += [(b"authorization", f"Bearer {self._random.choice(self._tokens)}".encode())]
            headers += [(b"x-merchant", b"open")] if self._random.random() < 0.8 else []
        body = orjson.dumps(asked, default=str, option=orjson.OPT_NON_STR_KEYS)
        return Hostile("made up", "", 0, "POST", "/graphql", tuple(headers), body)

    def _value(self, depth: int = 0) -> object:
        if depth < 3 and self._random.random() < 0.3:
            names = ("variantId", "change", "idempotencyKey", "reason", "amount", "a")
            return {name: self._value(depth + 1) for name in names if self._random.random() < 0.8}
        value = self._random.choice(VALUES)
        return str(value) if isinstance(value, int) and abs(value) > 2**63 else value

    def _changed(self, text: str) -> str:
        at = self._random.randrange(len(text) + 1)
        until = min(len(text), at + self._random.choice((0, 0, 1, 5, 30)))
        piece = self._random.choice(
            (self._random.choice(PIECES), text[at:until] * 2, "", self._random.choice(DOCUMENTS))
        )
        return text[:at] + piece + text[until:]

    def _bytes(self, body: bytes) -> bytes:
        changed = bytearray(body[:200_000])
        for _ in range(self._random.choice((1, 1, 3, 10))):
            at = self._random.randrange(len(changed) + 1)
            match self._random.randrange(4):
                case 0:
                    changed[at : at + 1] = self._random.randbytes(self._random.choice((0, 1, 4)))
                case 1:
                    del changed[at : at + self._random.choice((1, 10, 100))]
                case 2:
                    changed[at:at] = changed[at : at + 50] * self._random.choice((1, 2, 20))
                case _:
                    changed[at:at] = self._random.choice(PIECES).encode("utf-8", "surrogatepass")
        return bytes(changed)

    def _headers(self, headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
        given = list(headers)
        other = self._random.choice(self._known).headers
        match self._random.randrange(4):
            case 0:
                given += other
            case 1:
                given = [pair for pair in given if self._random.random() < 0.5]
            case 2:
                given = [(name, value + self._random.randbytes(2)) for name, value in given]
            case _:
                given.append((b"accept", self._random.choice((b"*/*", b"text/event-stream", b"a/b;q=1;q=x", b"\xff"))))
        return tuple(given)


async def test_nothing_made_up_breaks_the_server(production: Shops) -> None:
    mall = production.mall
    await mall.hire("carl", production.open, MerchantRole.VIEWER)
    tokens = [mall.token("olga"), mall.token("carl"), mall.token("bea"), mall.token("adam")]
    maker, made, statuses = Maker(SEED, list(corpus()), tokens), 0, dict[int, int]()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        request = maker.request()
        status, body = await send(mall.app, request)
        made, statuses[status] = made + 1, statuses.get(status, 0) + 1
        said = f"seed {SEED}, request {made}: {request!r:.4000} answered {status} {body[:1000]!r}"
        assert status < 500, said
        errors = orjson.loads(body).get("errors") or [] if body else []
        assert not any(error.get("extensions", {}).get("code") == "INTERNAL" for error in errors), said
        echoed = request.body.decode(errors="replace")
        shown = " ".join(error["message"] for error in errors)
        assert all(found in echoed for found in INTERNAL.findall(shown)), said
    print(f"\n{made} requests in {SECONDS:g} s, seed {SEED}: {dict(sorted(statuses.items()))}")  # noqa: T201
