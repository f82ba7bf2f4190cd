"""Sales tax of a line: taken out of the price or added to it, and who remits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from merchantry.domain.money import BPS, half_up, of_bps


class Remitter(StrEnum):
    """Who pays the tax to the authority. What the merchant remits stays in the merchant's part of a split."""

    MERCHANT = "merchant"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class LineTax:
    """The sales tax of a line, frozen with it when the order is placed.

    `jurisdiction` is whose tax it is, such as `DE` or `US-CA`. `inclusive` tax is part of the price, other tax is added
    to it. With `covers_shipping` the line's share of shipping is taxed as well. `tax_minor` is the result.
    """

    rate_bps: int
    jurisdiction: str
    inclusive: bool
    remitted_by: Remitter
    tax_minor: int
    covers_shipping: bool = False

    def __post_init__(self) -> None:
        if self.rate_bps < 0 or self.tax_minor < 0:
            raise ValueError("Neither a tax nor its rate is negative")

    def document(self) -> dict[str, str | int | bool]:
        """As it is stored with a line."""
        return {
            "rate_bps": self.rate_bps,
            "jurisdiction": self.jurisdiction,
            "inclusive": self.inclusive,
            "remitted_by": self.remitted_by.value,
            "tax_minor": self.tax_minor,
            "covers_shipping": self.covers_shipping,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "LineTax":
        """What `document` wrote."""
        return cls(**{**document, "remitted_by": Remitter(document["remitted_by"])})


def inclusive_tax(gross_minor: int, rate_bps: int) -> int:
    """The tax inside a price: gross - half-up(gross / (1 + rate)). 19 % inside 119.00 are 19.00."""
    return gross_minor - half_up(gross_minor * BPS, BPS + rate_bps)


def exclusive_tax(net_minor: int, rate_bps: int) -> int:
    """The tax on top of a price: half-up(net x rate)."""
    return of_bps(net_minor, rate_bps)


def line_tax(
    taxable_minor: int,
    rate_bps: int,
    jurisdiction: str,
    *,
    inclusive: bool,
    remitted_by: Remitter,
    covers_shipping: bool = False,
) -> LineTax:
    """The tax of a line whose taxable amount is given (`LineAmounts.taxable_minor`). Raises ValueError below zero."""
    if taxable_minor < 0:
        raise ValueError("A taxable amount is not negative")
    tax_minor = (inclusive_tax if inclusive else exclusive_tax)(taxable_minor, rate_bps)
    return LineTax(rate_bps, jurisdiction, inclusive, remitted_by, tax_minor, covers_shipping)
