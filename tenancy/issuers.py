"""Identity providers whose tokens are accepted, each with keys of its own that are fetched, kept and fetched anew.

Keys are kept for minutes, and fetched early where a token names one that is not among them; but never more often than
once in a while, so that made-up names cause no traffic. Where the provider doesn't answer, its last keys serve on for
a day.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from joserfc.jwk import KeySet

from tenancy.fetching import FetchFailed, check_address, fetch_json, is_loopback
from tenancy.token_keys import usable_keys
from tenancy.tokens import Claims, TokenRefused, TokenVerifier, header_of, issuer_named

FRESH_SECONDS = 300.0
"""Keys of this age are fetched anew: so long, at most, does a key that the provider withdrew still count."""
STALE_SECONDS = 24 * 3600.0
"""Where fetching fails, keys serve until they are of this age."""
PAUSE_SECONDS = 10.0
"""Between two attempts to fetch, whatever asks for one."""
PATIENCE_SECONDS = 1.0
"""How long a token waits for newer keys than those that would do."""

FetchKeys = Callable[[], Awaitable[KeySet]]

log = structlog.get_logger()


class KeysUnavailable(TokenRefused):
    """No keys could be had of the token's issuer yet: not the token's fault. It may be sent again."""


class CachedKeys:
    """Keys that are fetched when they are needed. ``clock`` gives monotonic seconds."""

    def __init__(self, fetch: FetchKeys, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._name = name
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def keys(self, kid: str | None) -> KeySet:
        """The keys, fetched anew where they are old or lack the one of this name. Raises KeysUnavailable."""
        is_known = self._keys is not None and (kid is None or any(key.kid == kid for key in self._keys))
        if not is_known or self._age() > FRESH_SECONDS:
            will_do = is_known and self._age() <= STALE_SECONDS
            await self._refresh(PATIENCE_SECONDS if will_do else None)
        if self._keys is None or self._age() > STALE_SECONDS:
            raise KeysUnavailable("of an issuer whose keys can't be fetched")
        return self._keys

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    async def _refresh(self, patience_seconds: float | None) -> None:
        """Fetch once for everybody who waits, and not again for a while. Who gives up waiting ends it for nobody."""
        if self._refreshing is None:
            if self._clock() - self._tried_at < PAUSE_SECONDS:
                return
            self._refreshing = asyncio.create_task(self._try())
        await asyncio.wait({self._refreshing}, timeout=patience_seconds)

    async def _try(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = await self._fetch()
            self._fetched_at = self._clock()
        except (FetchFailed, ValueError) as error:
            log.warning("issuer.keys_not_fetched", issuer=self._name, error=str(error))
        finally:
            self._refreshing = None


class Issuer:
    """One identity provider: its name, which tokens bear as ``iss``, and where its keys are."""

    def __init__(self, name: str, audience: str, keys: CachedKeys) -> None:
        self.name = name
        self._audience = audience
        self._keys = keys
        self._verifier: tuple[KeySet, TokenVerifier] | None = None

    async def claims(self, token: str, kid: str | None) -> Claims:
        """The claims of a token that names this issuer. Raises TokenRefused."""
        keys = await self._keys.keys(kid)
        if self._verifier is None or self._verifier[0] is not keys:
            self._verifier = keys, TokenVerifier(keys, self.name, self._audience)
        return self._verifier[1].verify(token)


class Issuers:
    """Several issuers. Whom a token names decides whose keys must have signed it, and no other's."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers: Mapping[str, Issuer] = {issuer.name: issuer for issuer in issuers}

    async def claims(self, token: str) -> Claims:
        """The claims of a token. Raises TokenRefused, KeysUnavailable."""
        header = header_of(token)
        issuer = self._issuers.get(issuer_named(token))
        if issuer is None:
            raise TokenRefused("wrong issuer")
        return await issuer.claims(token, header.get("kid"))


def discovered(issuer: str, audience: str) -> Issuer:
    """An issuer that says where its keys are (OpenID Connect Discovery 1.0). Raises ValueError for a bad address."""
    check_address(issuer, loopback=True)
    own = is_loopback(issuer)

    async def fetch() -> KeySet:
        document = await fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise FetchFailed("its configuration is another issuer's")
        address = document.get("jwks_uri")
        if not isinstance(address, str):
            raise FetchFailed("its configuration names no keys")
        check_address(address, loopback=own)
        return usable_keys(await fetch_json(address))

    return Issuer(issuer, audience, CachedKeys(fetch, issuer))


def with_keys_at(issuer: str, audience: str, address: str) -> Issuer:
    """An issuer whose JWK Set is at this address. Raises ValueError for a bad one."""
    check_address(address, loopback=True)

    async def fetch() -> KeySet:
        return usable_keys(await fetch_json(address))

    return Issuer(issuer, audience, CachedKeys(fetch, issuer))


def with_keys(issuer: str, audience: str, read: Callable[[], KeySet]) -> Issuer:
    """An issuer whose keys are read from a file, now and again later. Raises ValueError where they can't be."""
    read()

    async def fetch() -> KeySet:
        return read()

    return Issuer(issuer, audience, CachedKeys(fetch, issuer))
