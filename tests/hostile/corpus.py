"""Hostile requests by kind, with the status that each is refused with: data files, one request a line.

A text may be a list of parts: a text, `{"repeat": text, "times": n}`, or `{"each": text, "times": n}`, in which %d is
the number of the repetition and %+ the next one.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("documents", "bodies", "headers", "tokens", "addresses")
HARMLESS = b'{"query": "{ __typename }"}'


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request. Its headers are bytes, as not all of them are text."""

    kind: str
    name: str
    status: int
    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def corpus() -> Iterator[Hostile]:
    """All of them."""
    for kind in KINDS:
        for entry in json.loads(Path(__file__).with_name(f"{kind}.json").read_text()):
            yield _made(kind, entry)


def _made(kind: str, entry: dict[str, Any]) -> Hostile:
    given = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    given |= entry.get("headers", {})
    if "authorization" in entry:
        given["authorization"] = _text(entry["authorization"])
    if "jwt" in entry:
        given["authorization"] = f"Bearer {'.'.join(_base64(part) for part in entry['jwt'])}.AAAA"
    by_address = "query_string" in entry
    if by_address:
        del given["content-type"]
    return Hostile(
        kind=kind,
        name=entry["name"],
        status=entry["status"],
        method=entry.get("method", "GET" if by_address else "POST"),
        path="/graphql" + (f"?{_text(entry['query_string'])}" if by_address else ""),
        headers=tuple((name.encode(), value.encode("latin-1")) for name, value in given.items()),
        body=b"" if by_address else _body(entry),
    )


def _body(entry: dict[str, Any]) -> bytes:
    if "hex" in entry:
        return bytes.fromhex(entry["hex"])
    if "body" in entry:
        return _text(entry["body"]).encode()
    if "document" in entry:
        extra = {name: entry[name] for name in ("variables", "operationName") if name in entry}
        return json.dumps({"query": _text(entry["document"]), **extra}).encode()
    return HARMLESS


def _text(parts: str | list[Any]) -> str:
    return parts if isinstance(parts, str) else "".join(map(_part, parts))


def _part(part: str | dict[str, Any]) -> str:
    if isinstance(part, str):
        return part
    if "repeat" in part:
        return str(part["repeat"]) * int(part["times"])
    return "".join(part["each"].replace("%d", str(n)).replace("%+", str(n + 1)) for n in range(part["times"]))


def _base64(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
