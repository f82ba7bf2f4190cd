"""Languages that people are told things in, and which of them somebody reads."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final


class Language(StrEnum):
    """A language with a catalogue, by its name there."""

    EN = "en"
    ZH_HANS = "zh_Hans"

    @property
    def tag(self) -> str:
        """Its name in documents for programs (BCP 47)."""
        return self.value.replace("_", "-")


DEFAULT: Final = Language.EN
MAX_HEADER: Final = 500
"""Characters of ``Accept-Language`` that are looked at."""
_SIMPLIFIED: Final = ("zh", "zh-hans", "zh-cn", "zh-sg", "zh-my")


def preferred(own: Language | None, accepted: str | None) -> Language | None:
    """What somebody chose, else the first they accept (RFC 9110, 12.5.4); None where any language will do."""
    return own or next(_known(accepted or ""), None)


def chosen(own: Language | None, accepted: str | None) -> Language:
    """What somebody is told things in: what they prefer, else the default."""
    return preferred(own, accepted) or DEFAULT


def _known(header: str) -> Iterator[Language | None]:
    """The languages that there are of those accepted, the most wanted first; None for "any"."""
    ranges = [_weighed(each) for each in header[:MAX_HEADER].split(",")]
    for name, weight in sorted(ranges, key=lambda each: -each[1]):
        found = _of_tag(name)
        if weight > 0 and (found or name == "*"):
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
    if tag in _SIMPLIFIED or tag.startswith("zh-hans-"):
        return Language.ZH_HANS
    return Language.EN if tag.partition("-")[0] == "en" else None
