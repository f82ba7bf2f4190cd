"""Money and time as they are written in a language."""

from datetime import datetime, tzinfo
from decimal import Decimal

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_currency

from merchantry.domain.money import digits, format_minor
from merchantry.languages.language import Language


def money(amount_minor: int, currency: str, language: Language) -> str:
    """An amount with the currency's sign and exactly its digits (ISO 4217). Raises UnknownCurrency."""
    count = digits(currency)
    pattern = Locale.parse(language.value).currency_formats["standard"].pattern
    pattern = pattern.replace(".00", f".{'0' * count}" if count else "")
    amount = Decimal(format_minor(amount_minor, currency))
    return format_currency(amount, currency, pattern, locale=language.value, currency_digits=False)


def moment(at: datetime, zone: tzinfo, language: Language) -> str:
    """A moment on the clocks of a zone."""
    return format_datetime(at, "medium", tzinfo=zone, locale=language.value)
