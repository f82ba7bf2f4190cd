"""Texts in each language: gettext's catalogues, compiled when they are first asked for. The English text is the key."""

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from merchantry.languages.language import Language

LOCALE: Final = Path(__file__).parents[1] / "locale"
DOMAIN: Final = "merchantry"


def translated(text: str, language: Language) -> str:
    """The text in this language; as it is where the catalogue lacks it."""
    return _translations(language).gettext(text) if text else text


def catalogue(language: Language) -> Catalog:
    """The language's catalogue as it is written."""
    with (LOCALE / language.value / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=language.value, domain=DOMAIN)


@cache
def _translations(language: Language) -> gettext.GNUTranslations:
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
