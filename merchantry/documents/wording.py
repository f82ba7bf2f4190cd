"""How a document's labels, amounts and dates are written in its language. English is as programs write them."""

from datetime import date, datetime

from merchantry.documents.table import Cell, Column, shown
from merchantry.domain.money import Money
from merchantry.languages import formats
from merchantry.languages.catalogue import translated
from merchantry.languages.language import Language


def label(text: str, language: Language) -> str:
    """A text of the program's."""
    return text if language is Language.EN else translated(text, language)


def cell(value: Cell, language: Language) -> str:
    """A cell as people read it: amounts without their currency, instants to the minute with their offset."""
    if language is Language.EN:
        return shown(value)
    if isinstance(value, Money):
        return formats.plain_amount(value.amount_minor, value.currency, language)
    if isinstance(value, datetime):
        return formats.minute(value, language)
    return formats.day(value, language) if isinstance(value, date) else shown(value)


def under(column: Column, value: Cell, language: Language) -> str:
    """A cell under its column."""
    return label(value, language) if column.is_word and isinstance(value, str) else cell(value, language)
