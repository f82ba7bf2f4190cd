"""Languages that people are told things in, and which of them somebody reads."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final


class Language(StrEnum):
    """A language with a catalogue, by its name there."""

    EN = "en"
    ZH_HANS = "zh_Hans"


DEFAULT: Final = Language.EN
MAX_HEADER: Final = 500
"""Characters of ``Accept-Language`` that are looked at."""
_SIMPLIFIED: Final = ("zh", "zh-hans", "zh-cn", "zh-sg", "zh-my")


def chosen(own: Language | None, accepted: str | None) -> Language:
    """What somebody reads: what they chose, else the first they accept (RFC 9110, 12.5.4), else the default."""
    return own or next(_known(accepted or ""), DEFAULT)


def _known(header: str) -> Iterator[Language]:
    ranges = [_weighed(each) for each in header[:MAX_HEADER].split(",")]
    for tag, weight in sorted(ranges, key=lambda each: -each[1]):
        if weight > 0 and (found := _of_tag(tag)):
            yield found


def _weighed(given: str) -> tuple[str, float]:
    """A language range with its weight; 0, which is not accepted, for what can't be read."""
    tag, _, parameter = given.strip().partition(";")
    name, _, value = parameter.strip().partition("=")
    if not parameter:
        return tag.strip().lower(), 1.0
    try:
        weight = float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        weight = 0.0
    return tag.strip().lower(), weight if 0 <= weight <= 1 else 0.0


def _of_tag(tag: str) -> Language | None:
    if tag == "*":
        return DEFAULT
    if tag in _SIMPLIFIED or tag.startswith("zh-hans-"):
        return Language.ZH_HANS
    return Language.EN if tag.partition("-")[0] == "en" else None
