"""Whether an account's number can be one, before money is sent to it. Whether it exists, only its bank knows."""

import re

import pycountry
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from merchantry.domain.errors import InvalidInput

_FILLING = re.compile(r"[ .\-/]")
_NUMBER = re.compile(r"[A-Z0-9]{4,34}")
_LONGEST = 100


def check_iban(text: str) -> str:
    """The IBAN without spaces, in capitals: right country, length, form and check digits (ISO 13616).

    Raises InvalidInput.
    """
    try:
        return IBAN(_bounded(text)).compact
    except SchwiftyException:
        raise InvalidInput(
            reason="This is no valid IBAN; compare it with the account's papers, digit by digit, and send it again."
        ) from None


def check_bic(text: str) -> str:
    """The BIC in capitals, 8 or 11 characters with a known country (ISO 9362). Raises InvalidInput."""
    try:
        return BIC(_bounded(text)).compact
    except SchwiftyException:
        raise InvalidInput(
            reason="This is no valid BIC; send the 8 or 11 letters and digits that the bank gives, such as DEUTDEFF."
        ) from None


def check_account_number(text: str, country: str) -> str:
    """A number of an account without an IBAN, as letters and digits alone. Raises InvalidInput.

    Forms differ by country and bank, so only what every bank would refuse is refused.
    """
    check_country(country)
    number = _FILLING.sub("", _bounded(text)).upper()
    if not _NUMBER.fullmatch(number) or not any(character.isdigit() for character in number):
        raise InvalidInput(reason="An account number has 4 to 34 letters and digits, with a digit at least; send that.")
    return number


def check_country(code: str) -> str:
    """The country's code (ISO 3166 alpha-2) if it is in use. Raises InvalidInput."""
    if re.fullmatch("[A-Z]{2}", code) and pycountry.countries.get(alpha_2=code):
        return code
    raise InvalidInput(reason="This is no country; send its ISO 3166 code of two capitals, such as DE or BR.")


def _bounded(text: str) -> str:
    return text[:_LONGEST]
