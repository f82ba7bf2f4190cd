"""Which media type to answer with (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from starlette.requests import Request

RESPONSE_JSON = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"
EVENTS = "text/event-stream"


def media_ranges(request: Request) -> dict[str, float]:
    """What Accept names, with its qualities; empty where it is missing."""
    return dict(_media_range(part) for part in ",".join(request.headers.getlist("accept")).split(",") if part.strip())


def preferred(ranges: dict[str, float], offered: Sequence[str]) -> str | None:
    """The offered type that is wanted most, the first of equals; None where none is acceptable."""
    if not ranges:
        return offered[0]
    ranked = [(_quality(ranges, name), name) for name in offered]
    best = max(ranked, key=lambda pair: pair[0])
    return best[1] if best[0] > 0 else None


def _quality(ranges: dict[str, float], media_type: str) -> float:
    major = media_type.partition("/")[0]
    return next((ranges[name] for name in (media_type, f"{major}/*", "*/*") if name in ranges), 0.0)


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
        if key.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            return name, 0.0
    return name, 1.0
