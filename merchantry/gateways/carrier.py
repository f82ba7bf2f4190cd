"""What carriers' webhooks say, in the one form that the mall asks of them (docs/operations.md)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson

from merchantry.domain.parcel import LONGEST_PLACE, ParcelStatus, Update, number_key
from merchantry.gateways.payment import MessageUnreadable

LONGEST_NUMBER: Final = 200


@dataclass(frozen=True, slots=True)
class Told:
    """An update of the parcels with this tracking number, as ``domain.parcel.number_key`` writes it."""

    number: str
    update: Update


def told(body: bytes) -> Told:
    """What a message says. Raises MessageUnreadable."""
    try:
        document = orjson.loads(body)
        number, place = document["trackingNumber"], document.get("place")
        update = Update(
            ParcelStatus(document["status"]), _instant(document["at"]), _place(place), _day(document.get("expectedOn"))
        )
        key = number_key(number)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise MessageUnreadable(f"{type(error).__name__}: {error}"[:200]) from None
    if not 0 < len(key) <= LONGEST_NUMBER or not key.isprintable():
        raise MessageUnreadable("its tracking number is none")
    return Told(key, update)


def message(number: str, update: Update) -> bytes:
    """The body of the webhook that tells of an update."""
    return orjson.dumps(
        {
            "trackingNumber": number,
            "status": update.status,
            "at": update.at.isoformat(),
            "place": update.place,
            "expectedOn": update.expected_on,
        }
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a moment without its zone")
    return at.astimezone(UTC)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _place(given: Any) -> str | None:
    """A place in characters that can be kept and shown."""
    if not isinstance(given, str | None):
        raise TypeError("a place that is no text")
    return "".join(filter(str.isprintable, given or "")).strip()[:LONGEST_PLACE] or None
