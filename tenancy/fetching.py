"""Documents that identity providers publish, fetched with bounds: over TLS, without redirects, small and soon."""

import asyncio
import ipaddress
from urllib.parse import urlsplit

import httpx
import orjson

FETCH_SECONDS = 5.0
MAX_DOCUMENT_BYTES = 256 * 1024


class FetchFailed(Exception):
    """The document can't be had; the message says why, without anything of its content."""


def check_address(url: str, *, loopback: bool) -> None:
    """Raise ValueError for what is no ``https`` address, or, where ``loopback`` says so, ``http`` to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - raises ValueError where it is none
    except ValueError:
        host = None
    if host is None or parts.username is not None or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError(f"{url} is no address: give https://…")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback and is_loopback(url)):
        raise ValueError(f"{url} is not https; plain http is for this machine only")


def is_loopback(url: str) -> bool:
    """Whether an address leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def fetch_json(url: str, *, seconds: float = FETCH_SECONDS) -> object:
    """The JSON at an address. Raises FetchFailed: slow, large, moved, or not what was asked for."""
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(timeout=seconds, follow_redirects=False) as client,
            client.stream("GET", url, headers={"accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise FetchFailed(f"answered {answer.status_code}")
            return orjson.loads(await _bounded(answer))
    except TimeoutError as error:
        raise FetchFailed(f"no answer within {seconds:g} seconds") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchFailed(type(error).__name__) from error
    except ValueError as error:
        raise FetchFailed("not JSON") from error


async def _bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_bytes(16 * 1024):
        body += part
        if len(body) > MAX_DOCUMENT_BYTES:
            raise FetchFailed(f"more than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(body)
