"""Money: integers of minor units with a currency, exact divisions, and one way of rounding."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from merchantry.domain.errors import InvalidInput, MixedCurrencies, UnknownCurrency
from merchantry.domain.worded import Worded

# ISO 4217 list one as of 2026-01-01, funds included, without the codes that have no minor unit (metals, SDR, testing).
_CODES_BY_DIGITS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
        COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
        INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR
        MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
        STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
CURRENCY_DIGITS: Final[Mapping[str, int]] = MappingProxyType(
    {code: count for count, codes in _CODES_BY_DIGITS.items() for code in codes.split()}
)

MAX_AMOUNT_MINOR: Final = 10**15
"""The largest amount taken from outside, either sign: thousands of them still add up within a bigint."""

BPS: Final = 10_000
"""Basis points in the whole: a rate of 10,000 is 100 %."""

_DECIMAL = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,20}))?")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor units of one currency. Amounts of different currencies never add."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        digits(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise MixedCurrencies(currencies=(self.currency, other.currency))


def digits(currency: str) -> int:
    """How many decimal digits the currency has (ISO 4217). Raises UnknownCurrency."""
    count = CURRENCY_DIGITS.get(currency)
    if count is None:
        raise UnknownCurrency(currency=currency)
    return count


def format_minor(amount_minor: int, currency: str) -> str:
    """The amount as a decimal with exactly the currency's digits: 1230 BRL is `12.30`, 12 JPY is `12`."""
    count = digits(currency)
    if not count:
        return str(amount_minor)
    figures = str(abs(amount_minor)).zfill(count + 1)
    return f"{'-' if amount_minor < 0 else ''}{figures[:-count]}.{figures[-count:]}"


def parse_minor(text: str, currency: str) -> int:
    """The minor units of a plain decimal such as `12.30`, `-5` or `0.5`; exact, nothing is rounded.

    Raises UnknownCurrency, and InvalidInput for anything but plain digits, for more decimal digits than the currency
    has, and for amounts beyond MAX_AMOUNT_MINOR.
    """
    count = digits(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidInput(
            reason=Worded(
                "An amount is written in plain digits; send one such as {example}.",
                example=format_minor(1230, currency),
            )
        )
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > count:
        raise InvalidInput(
            reason=Worded(
                "{currency} has {count} decimal digits; send the amount with no more than that.",
                currency=currency,
                count=count,
            )
        )
    amount_minor = int(whole + fraction.ljust(count, "0"))
    if amount_minor > MAX_AMOUNT_MINOR:
        limit = format_minor(MAX_AMOUNT_MINOR, currency)
        raise InvalidInput(
            reason=Worded("The amount is too large; send at most {limit} {currency}.", limit=limit, currency=currency)
        )
    return -amount_minor if sign else amount_minor


def half_up(numerator: int, denominator: int) -> int:
    """The quotient rounded to the nearest integer, away from zero at the half. The denominator is positive."""
    if denominator <= 0:
        raise ValueError(f"The denominator must be positive, not {denominator}")
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def of_bps(amount_minor: int, rate_bps: int) -> int:
    """The rate's part of the amount, half-up: 1500 basis points of 345.00 are 51.75."""
    return half_up(amount_minor * rate_bps, BPS)


def allocate(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount in proportion to the weights, so that the shares sum to it exactly.

    Each share is floored; the units left over go one by one, in the declared order, to parties with a weight above
    zero. A negative amount is divided by its magnitude. Where all weights are zero, every party counts the same.
    """
    if not weights or min(weights) < 0:
        raise ValueError("An amount is divided among at least one party, and no weight is negative")
    if amount_minor < 0:
        return [-share for share in allocate(-amount_minor, weights)]
    total = sum(weights)
    if total == 0:
        return allocate(amount_minor, [1] * len(weights))
    shares = [amount_minor * weight // total for weight in weights]
    left_over = amount_minor - sum(shares)
    for position, weight in enumerate(weights):
        if left_over and weight:
            shares[position] += 1
            left_over -= 1
    if sum(shares) != amount_minor:
        raise ValueError(f"{amount_minor} was divided into {shares}, which is not the same")
    return shares
