"""What carriers tell of a parcel: a bounded timeline in the order of their own moments, whenever it was heard."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

MOST_UPDATES: Final = 50
"""What is kept of a parcel; where more is told, the oldest goes."""

LONGEST_PLACE: Final = 200
NUMBER_IS_ONES_FOR: Final = timedelta(days=90)
"""How long a tracking number belongs to whoever named it first; carriers use numbers again later than that."""

PLACE_OF_NUMBER: Final = "{number}"
"""In the template of a carrier's pages."""

MOST_AHEAD: Final = timedelta(days=1)
"""How far a carrier's clock may be ahead."""


class ParcelStatus(StrEnum):
    """What a carrier says of a parcel."""

    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    EXCEPTION = "exception"
    RETURNED = "returned"


LAST_ZONE: Final = timedelta(hours=12)
"""How long after midnight in UTC a day is over on every clock."""

ENDS: Final = frozenset({ParcelStatus.DELIVERED, ParcelStatus.RETURNED})
"""What a parcel comes to; nothing else that is told later undoes it."""


@dataclass(frozen=True, slots=True)
class Update:
    """What happened to a parcel: when and where, by the carrier, and when it is expected to arrive since then."""

    status: ParcelStatus
    at: datetime
    place: str | None = None
    expected_on: date | None = None

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        expected = None if self.expected_on is None else self.expected_on.isoformat()
        return {"status": self.status, "at": self.at.isoformat(), "place": self.place, "expected_on": expected}

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Update":
        """What :meth:`document` wrote."""
        expected = document["expected_on"]
        return Update(
            ParcelStatus(document["status"]),
            datetime.fromisoformat(document["at"]),
            document["place"],
            None if expected is None else date.fromisoformat(expected),
        )


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is kept of what a carrier told of a parcel, the earliest first."""

    updates: tuple[Update, ...] = ()

    def __post_init__(self) -> None:
        if len(self.updates) > MOST_UPDATES or any(one.at > next_one.at for one, next_one in pairwise(self.updates)):
            raise ValueError(f"A timeline has at most {MOST_UPDATES} updates, in the order of their moments")

    @staticmethod
    def of(documents: Iterable[Mapping[str, Any]]) -> "Timeline":
        """From what is stored."""
        return Timeline(tuple(map(Update.of, documents)))

    @property
    def status(self) -> ParcelStatus | None:
        """Where the parcel stands: what was last told of its end, or else what was told last of all."""
        ends = [each.status for each in self.updates if each.status in ENDS]
        if ends:
            return ends[-1]
        return self.updates[-1].status if self.updates else None

    @property
    def expected_on(self) -> date | None:
        """The day on which it is expected, by the latest update that says one."""
        return next((each.expected_on for each in reversed(self.updates) if each.expected_on), None)

    def with_update(self, update: Update) -> "Timeline":
        """The same with one more update in its place; itself where that update is in it already, or is too old."""
        if update in self.updates:
            return self
        updates = sorted((*self.updates, update), key=lambda each: each.at)
        if len(updates) > MOST_UPDATES:
            updates.remove(next((each for each in updates if each.status not in ENDS), updates[0]))
        return self if tuple(updates) == self.updates else Timeline(tuple(updates))


def carrier_key(name: str) -> str:
    """How a carrier is called in the address of its webhook: what people write differently is one carrier."""
    return "-".join(name.casefold().split())


def number_key(tracking_number: str) -> str:
    """A tracking number without the spaces and hyphens that people put into it."""
    return re.sub(r"[\s-]+", "", tracking_number).upper()


def is_late(expected_on: date | None, status: ParcelStatus | None, now: datetime) -> bool:
    """Whether a parcel should have arrived: the day is over wherever it goes, and it has come to no end."""
    return expected_on is not None and status not in ENDS and (now - LAST_ZONE).astimezone(UTC).date() > expected_on


def tracking_url(template: str, number: str) -> str:
    """The carrier's page of a parcel: the template with its number, escaped, for ``{number}``."""
    return template.replace(PLACE_OF_NUMBER, quote(number_key(number), safe=""))
