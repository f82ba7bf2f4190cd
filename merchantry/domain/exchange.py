"""Exchanging a merchant's available balance of one currency into another, at a rate with its source and its moment."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from merchantry.domain.canonical import rfc3339
from merchantry.domain.errors import InvalidInput
from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.domain.money import MAX_AMOUNT_MINOR, digits, half_up
from merchantry.domain.worded import Worded

MOST_RATE_DIGITS: Final = 12
_RATE: Final = re.compile(rf"(?:0|[1-9][0-9]{{0,{MOST_RATE_DIGITS - 1}}})(?:\.[0-9]{{1,{MOST_RATE_DIGITS}}})?")


@dataclass(frozen=True, slots=True)
class Exchange:
    """So much of one currency becomes so much of another.

    `rate` is exact: units (not minor ones) of `to_currency` for one of `from_currency`. `source` says whose rate it is,
    `rate_at` when it was that.
    """

    id: UUID
    from_currency: str
    from_minor: int
    to_currency: str
    to_minor: int
    rate: str
    source: str
    rate_at: datetime


def exchanged(
    exchange_id: UUID,
    from_minor: int,
    from_currency: str,
    to_currency: str,
    *,
    rate: str,
    source: str,
    rate_at: datetime,
    at: datetime,
) -> Exchange:
    """What an amount comes to, rounded half-up once, to the other currency's minor units.

    Raises InvalidInput for no amount, one currency, a rate that is no plain decimal above zero, a moment to come, and
    for a result of nothing or beyond what an amount can be; UnknownCurrency.
    """
    if from_currency == to_currency:
        raise InvalidInput(reason="Give two currencies.", path=("to",))
    if from_minor <= 0:
        raise InvalidInput(reason="Give an amount above zero.", path=("from",))
    if not _RATE.fullmatch(rate) or Decimal(rate) <= 0:
        reason = Worded(
            "Give the rate as a plain decimal above zero, with at most {most} digits after the point.",
            most=MOST_RATE_DIGITS,
        )
        raise InvalidInput(reason=reason, path=("rate",))
    if not source.strip():
        raise InvalidInput(reason="Say whose rate it is.", path=("source",))
    if rate_at > at:
        raise InvalidInput(reason="The moment of the rate is still to come.", path=("rate_at",))
    to_minor = _converted(from_minor, from_currency, to_currency, rate)
    if not 0 < to_minor <= MAX_AMOUNT_MINOR:
        raise InvalidInput(
            reason=Worded("At this rate it comes to no amount of {to_currency}.", to_currency=to_currency),
            path=("rate",),
        )
    return Exchange(exchange_id, from_currency, from_minor, to_currency, to_minor, rate, source.strip(), rate_at)


def _converted(from_minor: int, from_currency: str, to_currency: str, rate: str) -> int:
    whole, _, fraction = rate.partition(".")
    numerator = from_minor * int(whole + fraction) * 10 ** digits(to_currency)
    return half_up(numerator, 10 ** (len(fraction) + digits(from_currency)))


def entry(found: Exchange, *, occurred_at: datetime) -> Entry:
    """The entry, balanced in each currency: the platform takes the one and gives the other out of its clearing."""
    postings = (
        Posting(Account.MERCHANT_AVAILABLE, found.from_currency, -found.from_minor),
        Posting(Account.EXCHANGE_CLEARING, found.from_currency, found.from_minor),
        Posting(Account.EXCHANGE_CLEARING, found.to_currency, -found.to_minor),
        Posting(Account.MERCHANT_AVAILABLE, found.to_currency, found.to_minor),
    )
    details = {
        "exchange": str(found.id),
        "from_currency": found.from_currency,
        "to_currency": found.to_currency,
        "rate": found.rate,
        "rate_source": found.source,
        "rate_at": rfc3339(found.rate_at),
    }
    return Entry(EntryKind.EXCHANGE, None, occurred_at, occurred_at, None, postings, details)
