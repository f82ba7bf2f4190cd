"""Reading a JSON document so that every mistake is named by its path and remedy, not only the first."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeVar

from merchantry.domain.errors import PlanInvalid
from merchantry.domain.money import CURRENCY_DIGITS, MAX_AMOUNT_MINOR

MAX_NAME: Final = 100

_BARE_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Choice = TypeVar("_Choice", bound=StrEnum)


class JsonObject(dict[str, object]):
    """A JSON object that remembers which of its keys came twice."""

    doubled: tuple[str, ...] = ()


def json_document(text: str | bytes) -> object:
    """A JSON text, parsed. Raises PlanInvalid for text that is no JSON; what came twice is found by a Reader."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise PlanInvalid(problems=(("$", f"write it as JSON in UTF-8: {error}"),)) from error


def member(path: str, key: str) -> str:
    """The path of an object's member: `$.default`, or `$["a b"]` where the name is not a plain word."""
    return f"{path}.{key}" if _BARE_KEY.fullmatch(key) else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


class Reader:
    """Walks a document and collects in `problems` what is wrong. What can't be read is None, or empty."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def mend(self, path: str, remedy: str) -> None:
        """Note a mistake."""
        self.problems.append((path, remedy))

    def members(self, path: str, value: object, known: Sequence[str] | None) -> dict[str, object] | None:
        """An object whose members are all known; of any names with None."""
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            self.mend(path, "add an object here" if value is None else "write an object here")
            return None
        for key in getattr(value, "doubled", ()):
            self.mend(member(path, key), "keep only one of the members with this name")
        for key in value:
            if known is not None and key not in known:
                self.mend(member(path, key), f"remove it, or use one of: {', '.join(known)}")
        return value

    def objects(
        self, path: str, value: object, known: Sequence[str], limit: int
    ) -> list[tuple[str, dict[str, object]]] | None:
        """A list of such objects, each with its path."""
        if not isinstance(value, list) or len(value) > limit:
            self.mend(path, f"give a list of at most {limit} objects")
            return None
        items = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
        read = [(item_path, self.members(item_path, item, known)) for item_path, item in items]
        return [(item_path, item) for item_path, item in read if item is not None]

    def integer(self, path: str, value: object, limit: int, what: str = "") -> int | None:
        """An integer from 0 to the limit; a boolean is none."""
        if type(value) is not int or not 0 <= value <= limit:
            self.mend(path, f"give an integer from 0 to {limit}{what}")
            return None
        return value

    def name(self, path: str, value: object) -> str | None:
        """A short printable text."""
        if (
            not isinstance(value, str)
            or not value.isprintable()
            or value.strip() != value
            or not 0 < len(value) <= MAX_NAME
        ):
            self.mend(path, f"give a text of 1 to {MAX_NAME} printable characters, without spaces at its ends")
            return None
        return value

    def currency(self, path: str, value: object) -> str | None:
        """An ISO 4217 code."""
        if not isinstance(value, str) or value not in CURRENCY_DIGITS:
            self.mend(path, "give an ISO 4217 currency code in use, such as BRL")
            return None
        return value

    def choice(self, path: str, value: object, choices: type[_Choice]) -> _Choice | None:
        """One of a set of words."""
        if not isinstance(value, str) or value not in set(choices):
            self.mend(path, f"give one of: {', '.join(choices)}")
            return None
        return choices(value)

    def flag(self, path: str, value: object) -> bool | None:
        """True or false."""
        if not isinstance(value, bool):
            self.mend(path, "give true or false")
            return None
        return value

    def amount(self, path: str, value: object, currency: str) -> dict[str, int]:
        """An amount in the currency, or one in each of several: minor units by currency, in order of codes."""
        if not isinstance(value, dict):
            amount = self.integer(path, value, MAX_AMOUNT_MINOR, " of minor units, or an object {currency: integer}")
            return {} if amount is None else {currency: amount}
        amounts = {}
        for key, item in (self.members(path, value, None) or {}).items():
            code = self.currency(member(path, key), key)
            amount = self.integer(member(path, key), item, MAX_AMOUNT_MINOR, " of minor units")
            if code is not None and amount is not None:
                amounts[code] = amount
        return dict(sorted(amounts.items()))


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    made = JsonObject(pairs)
    if len(made) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        made.doubled = tuple(key for key in made if counts[key] > 1)
    return made
