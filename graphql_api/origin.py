"""Requests that a browser was made to send by somebody else's page.

The API reads no cookies, so such a request has no rights; this is the second bolt. A browser asks before it sends a
body of `application/json` or a header of the program's own to another origin; what it sends unasked is a plain GET.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request

from graphql_api.asking import RequestRefused

PROVING_HEADERS = ("authorization", "x-merchant", "x-merchantry-csrf", "apollo-require-preflight")
"""A browser sends these to another origin only where that has allowed it."""


def refuse_forged(request: Request, allowed: Collection[str]) -> None:
    """Raise RequestRefused for a GET that another site's page may have caused."""
    if any(name in request.headers for name in PROVING_HEADERS) or _names_json(request):
        return
    site = request.headers.get("sec-fetch-site", "none").lower()
    if site in ("none", "same-origin") and "cookie" not in request.headers and is_welcome(request, allowed):
        return
    raise RequestRefused(
        403,
        "A page of another site may have sent this. Send the header X-Merchantry-CSRF: 1, or use POST.",
        code="CSRF_REFUSED",
    )


def is_welcome(connection: HTTPConnection, allowed: Collection[str]) -> bool:
    """Whether the page that connects, if it is one, is of this host or of an allowed origin."""
    origin = connection.headers.get("origin")
    if origin is None or origin in allowed:
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return host != "" and host == connection.headers.get("host")


def _names_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
