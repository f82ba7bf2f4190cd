"""Sends webhooks: one POST each, to an address that was looked up once, checked, and is the one connected to.

httpx, because it lets the connection be pinned without touching its inside: the request goes to the address itself,
``Host`` and the name that the certificate must bear (``sni_hostname``) are the host's. So nobody looks the name up a
second time, and a name that stands for another address by then (DNS rebinding) changes nothing. Connections are not
kept: two hosts may share an address, and must not share a connection that was proved for one of them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self

import httpx

from merchantry.domain.errors import InvalidInput
from merchantry.domain.webhook import Answer
from merchantry.domain.webhook_url import Address, Target, is_public, parse_url
from merchantry.domain.worded import Worded

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host's name. Raises OSError where there are none."""

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
"""From the look-up to the status; whoever needs longer is asked again."""
BODY_SECONDS: Final = 3.0
LOOKUP_SECONDS: Final = 2.0
"""How long a name is looked up while somebody waits who gives the URL."""
MAX_RESPONSE_BYTES: Final = 1024
MAX_ADDRESSES: Final = 3
NOT_PUBLIC: Final = Worded("the host is not one of the public internet")
HEADERS: Final[Mapping[str, str]] = {
    "content-type": "application/json",
    "user-agent": "Merchantry-Webhooks/1",
    "accept": "*/*",
    "accept-encoding": "identity",
    "connection": "close",
}


class NotAllowed(Exception):
    """What a name stands for is no place to send to."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver knows. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Reach:
    """Where webhooks may go. ``allows_private`` is for trying and tests: http, and one's own machine and network."""

    allows_private: bool = False
    resolve: Resolve = resolve

    async def check(self, url: str) -> None:
        """Refuse a URL that nothing may be sent to. Raises InvalidInput.

        A name that can't be looked up now passes: it is looked up again at every sending.
        """
        target = parse_url(url, allows_private=self.allows_private)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await self.addresses(target)
        except NotAllowed as error:
            raise InvalidInput(
                reason=Worded("Nothing can be sent there: {error}.", error=error.args[0]), path=("url",)
            ) from None
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            return

    async def addresses(self, target: Target) -> list[Address]:
        """What to connect to. All that a name stands for must be public. Raises NotAllowed, OSError."""
        if target.address is not None:
            found: list[Address] = [target.address]
        else:
            found = [ip_address(each) for each in await self.resolve(target.host, target.port)]
        if not found:
            raise OSError("the name stands for nothing")
        if not self.allows_private and not all(map(is_public, found)):
            raise NotAllowed(NOT_PUBLIC)
        return found[:MAX_ADDRESSES]


class WebhookSender:
    """Sends; one for the process. It follows no redirects, asks no proxies, and reads the beginning of an answer."""

    def __init__(self, http: httpx.AsyncClient, reach: Reach, *, total_seconds: float = TOTAL_SECONDS) -> None:
        self._http, self._reach, self._total_seconds = http, reach, total_seconds

    @classmethod
    @asynccontextmanager
    async def opened(cls, reach: Reach, *, total_seconds: float = TOTAL_SECONDS) -> AsyncIterator[Self]:
        """One with connections of its own."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        timeout = httpx.Timeout(total_seconds, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False, follow_redirects=False) as http:
            yield cls(http, reach, total_seconds=total_seconds)

    async def send(self, url: str, body: bytes, signature: Mapping[str, str]) -> Answer:
        """What became of one attempt. Whatever goes wrong is an answer; nothing is raised."""
        try:
            target = parse_url(url, allows_private=self._reach.allows_private)
            async with asyncio.timeout(self._total_seconds):
                addresses = await self._reach.addresses(target)
                response = await self._post(target, addresses, body, signature)
            return await _answer(response)
        except (NotAllowed, InvalidInput) as error:
            return Answer(None, f"not allowed: {error}")
        except TimeoutError:
            return Answer(None, f"no answer within {self._total_seconds:g} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
            return Answer(None, _words(error))

    async def _post(
        self, target: Target, addresses: Sequence[Address], body: bytes, signature: Mapping[str, str]
    ) -> httpx.Response:
        *others, last = addresses
        for address in others:
            try:
                return await self._post_to(target, address, body, signature)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent: the next address may answer
        return await self._post_to(target, last, body, signature)

    async def _post_to(
        self, target: Target, address: Address, body: bytes, signature: Mapping[str, str]
    ) -> httpx.Response:
        host = f"[{address}]" if address.version == 6 else str(address)
        request = self._http.build_request(
            "POST",
            f"{target.scheme}://{host}:{target.port}{target.path}",
            content=body,
            headers={**HEADERS, **signature, "host": target.authority},
            extensions={"sni_hostname": target.host},
        )
        return await self._http.send(request, stream=True)


async def _answer(response: httpx.Response) -> Answer:
    """The status, which counts as soon as it has come, and the first bytes behind it, as they came, never unpacked."""
    content = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_raw(MAX_RESPONSE_BYTES):
                content += chunk
                if len(content) >= MAX_RESPONSE_BYTES:
                    break
    except (httpx.HTTPError, TimeoutError, OSError):
        pass
    finally:
        await response.aclose()
    text = content[:MAX_RESPONSE_BYTES].decode("utf-8", errors="replace")
    shown = "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
    error = "redirects are not followed" if response.has_redirect_location else None
    return Answer(response.status_code, error, shown)


def _words(error: Exception) -> str:
    """A failure in words that give away nothing of our network."""
    names = {
        httpx.ConnectError: "can't connect",
        httpx.ConnectTimeout: "no connection in time",
        httpx.ReadTimeout: "no answer in time",
        httpx.RemoteProtocolError: "the connection ended without an answer",
        httpx.ReadError: "the connection broke",
        socket.gaierror: "the host's name can't be found",
    }
    if isinstance(error, httpx.ConnectError) and "certificate" in str(error).lower():
        return "the certificate is not the host's, or not trusted"
    return next((words for kind, words in names.items() if isinstance(error, kind)), "failed: " + type(error).__name__)
