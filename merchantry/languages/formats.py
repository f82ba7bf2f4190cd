"""Money and time as they are written in a language."""

from datetime import date, datetime, tzinfo
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal

from merchantry.domain.money import digits, format_minor
from merchantry.languages.language import Language


def money(amount_minor: int, currency: str, language: Language) -> str:
    """An amount with the currency's sign and exactly its digits (ISO 4217). Raises UnknownCurrency."""
    count = digits(currency)
    pattern = Locale.parse(language.value).currency_formats["standard"].pattern
    pattern = pattern.replace(".00", f".{'0' * count}" if count else "")
    amount = Decimal(format_minor(amount_minor, currency))
    return format_currency(amount, currency, pattern, locale=language.value, currency_digits=False)


def plain_amount(amount_minor: int, currency: str, language: Language) -> str:
    """An amount with exactly its currency's digits and without its sign. Raises UnknownCurrency."""
    count = digits(currency)
    pattern = f"#,##0.{'0' * count}" if count else "#,##0"
    return str(format_decimal(Decimal(format_minor(amount_minor, currency)), pattern, locale=language.value))


def day(on: date, language: Language) -> str:
    """A day of the calendar."""
    return format_date(on, "medium", locale=language.value)


def minute(at: datetime, language: Language) -> str:
    """A moment to the minute on the clocks of its own zone, with their offset, which tells a repeated hour apart."""
    clock = format_time(at, "HH:mmxxx", tzinfo=at.tzinfo, locale=language.value)
    return f"{format_skeleton('yMd', at, tzinfo=at.tzinfo, locale=language.value)} {clock}"


def moment(at: datetime, zone: tzinfo, language: Language) -> str:
    """A moment on the clocks of a zone."""
    return format_datetime(at, "medium", tzinfo=zone, locale=language.value)
