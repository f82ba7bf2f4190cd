"""Texts and addresses that come from outside, bounded before anything is done with them."""

from urllib.parse import urlsplit

from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded

Path = tuple[str | int, ...]

MAX_URL = 2_000
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's characters that turn the direction of what follows, beyond the text that they are in."""


def check_text(text: str, longest: int, path: Path, *, shortest: int = 1) -> None:
    """Refuse a text that is blank, too long, or holds a NUL, which PostgreSQL can't store. Raises InvalidInput."""
    if not shortest <= len(text.strip()) or len(text) > longest:
        raise InvalidInput(
            reason=Worded("Give a text of {shortest} to {longest} characters.", shortest=shortest, longest=longest),
            path=path,
        )
    if "\x00" in text:
        raise InvalidInput(reason="Remove the NUL character from this text.", path=path)


def check_visible(text: str, path: Path) -> None:
    """Refuse a text that nobody would see, or that would turn the texts shown beside it. Raises InvalidInput."""
    if not any(each.isprintable() and not each.isspace() for each in text):
        raise InvalidInput(reason="Give a text that can be seen.", path=path)
    if not _DIRECTIONS.isdisjoint(text):
        raise InvalidInput(reason="Remove the characters that change the direction of writing.", path=path)


def check_web_address(address: str, path: Path) -> None:
    """Refuse whatever is not the address of something on the web. Raises InvalidInput."""
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or len(address) > MAX_URL or not address.isprintable() or " " in address:
        raise InvalidInput(
            reason=Worded(
                "Give a web address that starts with https:// or http://, of at most {most} characters.", most=MAX_URL
            ),
            path=path,
        )
