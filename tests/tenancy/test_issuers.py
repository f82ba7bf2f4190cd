"""Identity providers over real HTTP: which tokens are accepted of them, and when they are asked for keys."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from tenancy import issuers
from tenancy.fetching import MAX_DOCUMENT_BYTES, check_address
from tenancy.issuers import CachedKeys, Issuer, Issuers, KeysUnavailable, discovered, with_keys_at
from tenancy.token_keys import usable_keys
from tenancy.tokens import TokenRefused
from tests.tenancy.forging import AUDIENCE, CORPUS, Forge
from tests.tenancy.issuing import CONFIGURATION, Provider, a_provider

GOOD: dict[str, dict[str, Any]] = {
    "Ed25519": {"sign": "ed"},
    "ES256": {"sign": "ec", "header": {"alg": "ES256", "kid": "ec"}},
    "RS256": {"sign": "rsa", "header": {"alg": "RS256", "kid": "rsa"}},
    "without a type": {"sign": "ed", "header": {"typ": None}},
    "of RFC 9068": {"sign": "ed", "header": {"typ": "application/at+jwt"}},
    "of any letters": {"sign": "ed", "header": {"typ": "JWT"}},
    "with a thumbprint": {"sign": "ed", "header": {"x5t": "x"}},
    "for several": {"sign": "ed", "claims": {"aud": ["else", AUDIENCE]}},
    "expired for a clock that is slow": {"sign": "ed", "claims": {"exp": -10}},
    "without a kid, of the one such key": {"sign": "ed", "header": {"kid": None}},
    "of the second issuer": {"sign": "second", "header": {"kid": "second"}, "claims": {"iss": "second"}},
}


@pytest.fixture
async def first() -> AsyncIterator[Provider]:
    async with a_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def keys() -> Forge:
    return Forge("", "")


@pytest.fixture
async def forge(keys: Forge, first: Provider) -> AsyncIterator[Forge]:
    async with a_provider() as second:
        keys.first, keys.second = first.address, second.address
        first.publish(keys.key_set())
        second.publish(keys.second_key_set())
        yield keys


@pytest.fixture
def trusted(forge: Forge) -> Issuers:
    return Issuers([discovered(forge.first, AUDIENCE), with_keys_at(forge.second, AUDIENCE, f"{forge.second}/keys")])


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def an_issuer(provider: Provider, clock: Clock) -> Issuer:
    made = discovered(provider.address, AUDIENCE)
    made._keys._clock = clock
    return made


async def accepts(issuer: Issuer, forge: Forge, kid: str = "ed") -> bool:
    try:
        await issuer.claims(forge.token({"sign": "ed", "header": {"kid": kid}}), kid)
    except KeysUnavailable:
        raise
    except TokenRefused:
        return False
    return True


@pytest.mark.parametrize("entry", GOOD.values(), ids=GOOD.keys())
async def test_a_good_token_is_accepted(trusted: Issuers, forge: Forge, entry: dict[str, Any]) -> None:
    claims = await trusted.claims(forge.token(entry))
    named = entry.get("claims", {}).get("iss", "first")
    assert (claims.subject, claims.issuer) == ("anna", getattr(forge, named))


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry["name"])
async def test_a_forged_token_is_refused(
    trusted: Issuers, forge: Forge, first: Provider, entry: dict[str, Any]
) -> None:
    token = forge.token(entry)
    with pytest.raises(TokenRefused) as refused:
        await trusted.claims(token)
    assert not isinstance(refused.value, KeysUnavailable)
    assert set(first.asked) <= {CONFIGURATION, "/keys"}


async def test_there_are_many_forgeries() -> None:
    assert len({entry["name"] for entry in CORPUS}) == len(CORPUS) >= 60


async def test_keys_are_fetched_once_for_many_and_kept(forge: Forge, first: Provider) -> None:
    issuer = an_issuer(first, Clock())
    first.thinks_seconds = 0.05
    assert all(await asyncio.gather(*(accepts(issuer, forge) for _ in range(20))))
    assert await accepts(issuer, forge)
    assert first.asked == [CONFIGURATION, "/keys"]


async def test_a_rotated_key_is_found_by_its_name_and_the_old_one_forgotten(forge: Forge, first: Provider) -> None:
    clock = Clock()
    issuer = an_issuer(first, clock)
    assert await accepts(issuer, forge)
    old, forge.keys["ed"] = forge.keys["ed"], OKPKey.generate_key("Ed25519", parameters={"kid": "new"})
    try:
        first.publish({"keys": [forge.keys["ed"].as_dict(private=False)]})
        assert not await accepts(issuer, forge, "new"), "it was asked a moment ago"
        clock.now += issuers.PAUSE_SECONDS
        assert await accepts(issuer, forge, "new")
        forge.keys["ed"] = old
        assert not await accepts(issuer, forge)
    finally:
        forge.keys["ed"] = old


async def test_made_up_key_names_cause_no_more_than_one_fetch_in_a_while(forge: Forge, first: Provider) -> None:
    clock = Clock()
    issuer = an_issuer(first, clock)
    assert await accepts(issuer, forge)
    for number in range(200):
        assert not await accepts(issuer, forge, f"made up {number}")
    assert len(first.asked) == 2
    clock.now += issuers.PAUSE_SECONDS
    for number in range(200):
        assert not await accepts(issuer, forge, f"made up {number}")
    assert len(first.asked) == 4
    assert await accepts(issuer, forge)


async def test_keys_serve_on_while_their_issuer_fails_and_for_a_day_at_most(forge: Forge, first: Provider) -> None:
    clock = Clock()
    issuer = an_issuer(first, clock)
    assert await accepts(issuer, forge)
    first.answers["/keys"] = 500
    clock.now += issuers.FRESH_SECONDS + 1
    assert await accepts(issuer, forge)
    assert len(first.asked) == 4
    clock.now += issuers.STALE_SECONDS
    with pytest.raises(KeysUnavailable):
        await accepts(issuer, forge)
    first.publish(forge.key_set())
    clock.now += issuers.PAUSE_SECONDS
    assert await accepts(issuer, forge)


async def test_a_withdrawn_key_counts_no_longer_once_keys_are_old(forge: Forge, first: Provider) -> None:
    clock = Clock()
    issuer = an_issuer(first, clock)
    assert await accepts(issuer, forge)
    first.publish({"keys": [forge.keys["ec"].as_dict(private=False)]})
    clock.now += issuers.FRESH_SECONDS + 1
    assert not await accepts(issuer, forge)


async def test_a_slow_issuer_keeps_no_token_waiting_whose_key_is_here(
    forge: Forge, first: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    issuer = an_issuer(first, clock)
    assert await accepts(issuer, forge)
    monkeypatch.setattr(issuers, "PATIENCE_SECONDS", 0.01)
    first.thinks_seconds = 0.2
    clock.now += issuers.FRESH_SECONDS + 1
    assert await accepts(issuer, forge)
    refreshing = issuer._keys._refreshing
    assert refreshing is not None
    await refreshing


BAD_ANSWERS: dict[str, tuple[str, Any]] = {
    "nothing": (CONFIGURATION, 404),
    "a fault": ("/keys", 500),
    "another issuer's configuration": (CONFIGURATION, {"issuer": "https://evil.example", "jwks_uri": "/keys"}),
    "no address of keys": (CONFIGURATION, {"issuer": "self"}),
    "keys at a file": (CONFIGURATION, {"issuer": "self", "jwks_uri": "file:///etc/passwd"}),
    "keys without TLS elsewhere": (CONFIGURATION, {"issuer": "self", "jwks_uri": "http://192.0.2.1/keys"}),
    "a redirect": ("/keys", "/elsewhere"),
    "a redirect elsewhere": (CONFIGURATION, "http://192.0.2.1/"),
    "too much": ("/keys", b" " * (MAX_DOCUMENT_BYTES + 1)),
    "no JSON": ("/keys", b"<html>"),
    "a list": ("/keys", []),
    "no keys": ("/keys", {"keys": []}),
    "secrets only": ("/keys", {"keys": [{"kty": "oct", "k": "AAAA"}]}),
    "broken keys": ("/keys", {"keys": [{"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, None]}),
    "a thousand keys": ("/keys", {"keys": [{}] * 1000}),
}


@pytest.mark.parametrize(("path", "answer"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_an_issuer_that_answers_badly_has_no_keys(
    trusted: Issuers, forge: Forge, first: Provider, path: str, answer: Any
) -> None:
    if isinstance(answer, dict) and answer.get("issuer") == "self":
        answer = {**answer, "issuer": first.address}
    first.answers["/elsewhere"] = forge.key_set()
    first.answers[path] = answer
    with pytest.raises(KeysUnavailable):
        await trusted.claims(forge.token({"sign": "ed"}))
    assert "/elsewhere" not in first.asked


async def test_an_issuer_that_is_too_slow_has_no_keys(forge: Forge, first: Provider) -> None:
    async def fetch() -> Any:
        from tenancy.fetching import fetch_json

        return usable_keys(await fetch_json(f"{first.address}/keys", seconds=0.05))

    first.thinks_seconds = 1
    with pytest.raises(KeysUnavailable):
        await CachedKeys(fetch, "slow").keys("ed")


@pytest.mark.parametrize("url", ["https://id.example/realms/mall", "http://127.0.0.1:8080", "http://localhost/x"])
def test_an_issuer_is_reached_over_tls_or_on_this_machine(url: str) -> None:
    check_address(url, loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example",
        "http://127.0.0.1.evil.example",
        "ftp://id.example",
        "file:///keys",
        "https://",
        "id.example",
        "https://user:secret@id.example",
        "https://id.example/#x",
        "https://id.example:port",
        "https://id .example",
        "http://169.254.169.254/latest",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        check_address(url, loopback=True)


def test_an_issuer_elsewhere_can_not_send_us_to_this_machine() -> None:
    with pytest.raises(ValueError, match="https"):
        check_address("http://127.0.0.1/keys", loopback=False)
