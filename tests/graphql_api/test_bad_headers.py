"""Tokens and headers that are not accepted: each is told why; a merchant named in two ways is refused as unknown."""

import base64
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey

from tests.graphql_api.mall import Answer
from tests.graphql_api.shops import Shops

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_token(shops: Shops, key: Any = None, algorithm: str = "Ed25519", **claims: Any) -> str:
    """A token as the development issuer makes them, but for what is changed."""
    now = int(time.time())
    usual = {"iss": "merchantry-development", "aud": "merchantry", "sub": "olga", "iat": now, "exp": now + 60}
    signer = key or shops.mall.issuer._key
    signer.ensure_kid()
    header = {"alg": algorithm, "kid": signer.kid}
    return jwt.encode(header, {**usual, **claims}, signer, algorithms=[algorithm])


def unsigned() -> str:
    """A token of the algorithm none."""
    parts = ({"alg": "none"}, {"iss": "merchantry-development", "aud": "merchantry", "sub": "olga", "exp": 2**31})
    return ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts) + "."


TOKENS: dict[str, tuple[Callable[[Shops], str], str]] = {
    "expired": (lambda shops: a_token(shops, exp=int(time.time()) - 3600), "reason=expired"),
    "of a wrong audience": (lambda shops: a_token(shops, aud="somewhere"), "wrong audience"),
    "of a wrong issuer": (lambda shops: a_token(shops, iss="https://evil.test"), "wrong issuer"),
    "not valid yet": (lambda shops: a_token(shops, nbf=int(time.time()) + 3600), "not yet valid"),
    "without an expiry": (lambda shops: a_token(shops, exp=None), "without a valid expiry"),
    "without a subject": (lambda shops: a_token(shops, sub=""), "without a subject"),
    "of no algorithm": (lambda shops: unsigned(), "malformed"),
    "of a symmetric algorithm": (
        lambda shops: a_token(shops, OctKey.generate_key(256), "HS256"),
        "signed with an algorithm that is not accepted",
    ),
    "of another asymmetric algorithm": (
        lambda shops: a_token(shops, RSAKey.generate_key(2048), "RS256"),
        "signed with an algorithm that is not accepted",
    ),
    "of a stranger's key": (
        lambda shops: a_token(shops, OKPKey.generate_key("Ed25519")),
        "not signed by a key that is trusted here",
    ),
    "cut short": (lambda shops: a_token(shops)[:-10], "not signed by a key that is trusted here"),
    "no token at all": (lambda shops: "olga", "malformed"),
}


NONSENSE = [("authorization", "Bearer nonsense")]


async def sent(shops: Shops, headers: list[tuple[str, str]]) -> Answer:
    """A query with these headers, which may come twice."""
    body = {"query": "{ viewer { accountId } merchant { slug } }"}
    answer = await shops.mall.http.post("/graphql", json=body, headers=headers)
    return Answer(answer.status_code, answer.json())


@pytest.mark.parametrize("case", TOKENS)
async def test_the_log_says_why_a_token_is_not_accepted_and_the_answer_does_not(
    shops: Shops, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, reason = TOKENS[case]
    for more in ([], [("x-merchant", "open")]):
        answer = await sent(shops, [("authorization", f"Bearer {make(shops)}"), *more])
        assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
        assert answer.body["errors"][0]["message"].startswith("The bearer token is not accepted. Send 'Authoriz")
        assert answer.body["errors"][0]["message"] == (await sent(shops, NONSENSE)).body["errors"][0]["message"]
        assert reason in capsys.readouterr().out


async def test_the_same_token_unchanged_is_accepted(shops: Shops) -> None:
    answer = await sent(shops, [("authorization", f"Bearer {a_token(shops)}"), ("x-merchant", "open")])
    assert answer.data["merchant"] == {"slug": "open"}


REFUSED_HEADERS: list[list[tuple[str, str]]] = [
    [("x-merchant", "open"), ("x-merchant", "open")],
    [("x-merchant", "open"), ("x-merchant", "closed")],
    [("x-merchant", '"open"')],
    [("x-merchant", "'open'")],
    [("x-merchant", "open.")],
    [("x-merchant", ".open")],
    [("x-merchant", "open.mall.test")],
    [("x-merchant", "open,closed")],
    [("x-merchant", "OPEN")],
    [("x-merchant", "open\t")],
    [("x-merchant", "")],
    [("x-merchant", "no-such")],
    [("x-merchant", "closed")],
    [("x-merchant", "m_00000000000000000000000000000000")],
    [("x-merchant", "open; SET ROLE merchantry_owner")],
    [("host", "open.mall.test."), ("x-merchant", "open")],
    [("host", '"open".mall.test')],
    [("host", "open.mall.test"), ("x-merchant", "closed")],
    [("host", "a.open.mall.test")],
    [("host", "open..mall.test")],
    [("host", "open.mall.test:80:80")],
    [("host", "closed.mall.test")],
]


@pytest.mark.parametrize("headers", REFUSED_HEADERS, ids=str)
async def test_a_merchant_that_is_named_in_two_ways_or_none_is_refused(
    shops: Shops, headers: list[tuple[str, str]]
) -> None:
    answer = await sent(shops, [("authorization", f"Bearer {a_token(shops)}"), *headers])
    assert answer.status == 403, answer.body
    assert answer.body == {
        "errors": [
            {"message": "No such merchant for this token.", "extensions": {"code": "MERCHANT_REFUSED"}},
        ]
    }


async def test_two_tokens_are_refused(shops: Shops) -> None:
    token = ("authorization", f"Bearer {a_token(shops)}")
    assert (await sent(shops, [token, token])).status in (401, 403)
    assert (await sent(shops, [("authorization", f"{token[1]}, {token[1]}")])).status == 401
    assert (await sent(shops, [("authorization", f'"{token[1]}"')])).status == 401
    assert (await sent(shops, [("authorization", f"Basic {token[1]}")])).status == 401
