"""Canonical JSON: one value, one sequence of bytes (RFC 8785), for what is hashed."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

_SAFE_INTEGER: Final = 2**53  # RFC 8785 writes numbers as IEEE doubles; below this they are exact


def canonical_json(document: Json) -> bytes:
    """The document as RFC 8785 JSON in UTF-8.

    Raises ValueError for floats, integers beyond 2^53, NUL or unpaired surrogates, and keys outside ASCII: what a JSON
    parser or the database could not give back as it was.
    """
    # With ASCII keys and safe integers only, json.dumps orders and escapes exactly as RFC 8785 does.
    return _encode(_plain(document)).encode("utf-8")


_encode: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def rfc3339(instant: datetime) -> str:
    """The instant in UTC, always with six digits of a second and `Z`. Raises ValueError without a time zone."""
    if instant.tzinfo is None:
        raise ValueError("An instant needs a time zone")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _plain(value: object) -> object:
    """The value in plain JSON types, or ValueError where it has no exact form."""
    if type(value) is dict:  # by far the commonest of mappings, and quickly told; so are its texts
        return {
            _key(key): item if type(item) is str and item.isascii() and "\0" not in item else _plain(item)
            for key, item in value.items()
        }
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= _SAFE_INTEGER:
            raise ValueError(f"The integer {value} is beyond 2^53; write it as a text")
        return int(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):  # a union would be made anew each time
        return [_plain(item) for item in value]
    raise ValueError(f"What is hashed can't hold {type(value).__name__}; use texts, integers, lists and objects")


@lru_cache(maxsize=512)
def _key(key: object) -> str:
    if not isinstance(key, str) or not key.isascii():
        raise ValueError("Keys of what is hashed are ASCII texts")
    return _text(key)


def _text(value: str) -> str:
    try:
        if "\0" not in value and (value.isascii() or value.encode()):
            return str(value)
    except UnicodeEncodeError:
        pass
    raise ValueError("A text that is hashed holds neither NUL nor an unpaired surrogate")
