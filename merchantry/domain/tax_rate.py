"""Rates of sales tax by where goods go and what they are, and which of them a line is taxed at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from merchantry.domain.errors import InvalidInput
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.money import BPS
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.tax import Remitter, line_tax
from merchantry.domain.text import check_text

MAX_JURISDICTION = 50
_COUNTRY = re.compile("[A-Z]{2}")
_REGION = re.compile("[A-Z0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate in force from a moment on, until a later one of the same country, region and category is.

    An empty `region` is the whole country, an empty `category` is everything. A rate of zero ends a tax.
    """

    id: UUID
    country: str
    region: str
    category: str
    jurisdiction: str
    rate_bps: int
    inclusive: bool
    covers_shipping: bool
    remitted_by: Remitter
    effective_from: datetime


def check_region(region: str, path: tuple[str | int, ...]) -> None:
    """Raises InvalidInput unless it is the second part of an ISO 3166-2 code, such as `CA` of `US-CA`."""
    if not _REGION.fullmatch(region):
        reason = "Give the region as in ISO 3166-2 without the country (CA for US-CA), or none where there is none."
        raise InvalidInput(reason=reason, path=path)


def check_rate(rate: TaxRate, at: datetime) -> None:
    """Raises InvalidInput with the path of what is wrong. A rate never begins in the past: orders were placed since."""
    if not _COUNTRY.fullmatch(rate.country):
        raise InvalidInput(reason="Give the country's two capital letters, such as BR.", path=("country",))
    if rate.region:
        check_region(rate.region, ("region",))
    check_text(rate.jurisdiction, MAX_JURISDICTION, ("jurisdiction",))
    if not 0 <= rate.rate_bps <= BPS:
        raise InvalidInput(reason="Give a rate of 0 % to 100 %.", path=("rate_bps",))
    if rate.effective_from < at:
        raise InvalidInput(reason="Give a moment from now on.", path=("effective_from",))


def narrowest(rates: Sequence[TaxRate], category: str) -> TaxRate | None:
    """The rate of a category's line among those in force where it goes.

    The region's go before the country's, then the category's before those of everything.
    """
    fitting = [rate for rate in rates if rate.category in ("", category)]
    return max(fitting, key=lambda rate: (bool(rate.region), bool(rate.category)), default=None)


def remitted(rate: TaxRate | None, seller: SellerOfRecord) -> TaxRate | None:
    """The rate as it taxes a sale: the platform remits the tax of what it sells itself, whatever the rate says."""
    if rate is None or seller is SellerOfRecord.AGENT:
        return rate
    return replace(rate, remitted_by=Remitter.PLATFORM)


def taxed(amounts: LineAmounts, rate: TaxRate | None) -> LineAmounts:
    """The line with its tax; without one where there is no rate."""
    if rate is None:
        return amounts
    tax = line_tax(
        amounts.taxable_minor(rate.covers_shipping),
        rate.rate_bps,
        rate.jurisdiction,
        inclusive=rate.inclusive,
        remitted_by=rate.remitted_by,
        covers_shipping=rate.covers_shipping,
    )
    return replace(amounts, tax=tax)
