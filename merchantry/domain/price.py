"""Prices that come from outside."""

from collections.abc import Mapping

from merchantry.domain.errors import InvalidInput, UnknownCurrency
from merchantry.domain.money import MAX_AMOUNT_MINOR, digits
from merchantry.domain.text import Path


def check_currency(currency: str, path: Path) -> None:
    """Raises UnknownCurrency with the path of the input."""
    try:
        digits(currency)
    except UnknownCurrency as error:
        raise UnknownCurrency(currency=currency, path=path) from error


def check_prices(prices: Mapping[str, int], path: Path) -> None:
    """Refuse prices (minor units by currency) in currencies that are none, below zero or beyond MAX_AMOUNT_MINOR.

    Raises UnknownCurrency or InvalidInput; the path leads to the currency.
    """
    for currency, amount_minor in prices.items():
        check_currency(currency, (*path, currency))
        if not 0 <= amount_minor <= MAX_AMOUNT_MINOR:
            raise InvalidInput(
                reason="Give a price that is not negative, and not beyond reason.", path=(*path, currency)
            )
