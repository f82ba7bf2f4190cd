"""What an account's owner says of it: checked, and in the form that is sealed."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from merchantry.domain.errors import InvalidInput
from merchantry.domain.payee import PayeeKind
from merchantry.domain.price import check_currency
from merchantry.domain.text import check_text
from merchantry.domain.worded import Worded
from merchantry.gateways.account_numbers import check_account_number, check_bic, check_country, check_iban
from merchantry.gateways.payout import Payee, PayeeBank, PayeeWallet

MAX_HOLDER: Final = 140
"""As many characters as ISO 20022 gives a party's name."""

_WALLET_ID: Final = re.compile(r"[A-Za-z0-9._@+:-]{4,64}")
_BANK_FIELDS: Final = ("iban", "account_number", "bic", "country")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be. A bank's is given by its IBAN, or by number, BIC and country (ISO 3166 alpha-2)."""

    kind: PayeeKind
    currency: str
    holder: str = field(repr=False)
    iban: str | None = field(default=None, repr=False)
    account_number: str | None = field(default=None, repr=False)
    bic: str | None = field(default=None, repr=False)
    country: str | None = None
    wallet_id: str | None = field(default=None, repr=False)


def checked(new: NewAccount) -> Payee:
    """The account, written as its bank or provider writes it. Raises InvalidInput, UnknownCurrency with the path."""
    check_currency(new.currency, ("currency",))
    check_text(new.holder, MAX_HOLDER, ("holder",))
    if not new.holder.isprintable() or not any(letter.isalpha() for letter in new.holder):
        raise InvalidInput(reason="Give the account holder's name, in letters and on one line.", path=("holder",))
    if new.kind is PayeeKind.WALLET:
        return _wallet(new)
    _refuse(new, "wallet_id")
    return _by_iban(new, new.iban) if new.iban is not None else _by_number(new)


def _wallet(new: NewAccount) -> PayeeWallet:
    _refuse(new, *_BANK_FIELDS)
    wallet_id = _given(new, "wallet_id")
    if not _WALLET_ID.fullmatch(wallet_id):
        raise InvalidInput(
            reason="A wallet's id has 4 to 64 letters, digits and . _ @ + : -; send it as the provider shows it.",
            path=("wallet_id",),
        )
    return PayeeWallet(new.holder.strip(), wallet_id)


def _by_iban(new: NewAccount, given: str) -> PayeeBank:
    _refuse(new, "account_number")
    iban = _at("iban", check_iban, given)
    country = iban[:2]
    if new.country not in (None, country):
        raise InvalidInput(reason="The IBAN names another country; leave this one out.", path=("country",))
    bic = None if new.bic is None else _at("bic", check_bic, new.bic)
    return PayeeBank(new.holder.strip(), iban, None, bic, country)


def _by_number(new: NewAccount) -> PayeeBank:
    given = _given(new, "account_number", Worded("Give the account's IBAN, or its number with BIC and country."))
    country = _at("country", check_country, _given(new, "country"))
    number = _at("account_number", lambda text: check_account_number(text, country), given)
    return PayeeBank(new.holder.strip(), None, number, _at("bic", check_bic, _given(new, "bic")), country)


def _given(new: NewAccount, name: str, reason: str = Worded("This is needed for such an account.")) -> str:
    value: str | None = getattr(new, name)
    if value is None:
        raise InvalidInput(reason=reason, path=(name,))
    return value


def _refuse(new: NewAccount, *names: str) -> None:
    """What is not of such an account was meant for another one."""
    for name in names:
        if getattr(new, name) is not None:
            raise InvalidInput(reason="This does not go with an account of this kind; leave it out.", path=(name,))


def _at(name: str, check: Callable[[str], str], value: str) -> str:
    try:
        return check(value)
    except InvalidInput as error:
        raise InvalidInput(reason=error.reason, path=(name,)) from None


def number_of(payee: Payee) -> str:
    """What people call the account's number."""
    if isinstance(payee, PayeeWallet):
        return payee.wallet_id
    return payee.iban or payee.account_number or ""


def to_bytes(payee: Payee) -> bytes:
    """What is sealed: the account as a JSON object."""
    return json.dumps(asdict(payee), sort_keys=True).encode("utf-8")


def from_bytes(kind: PayeeKind, opened: bytes) -> Payee:
    """The account that :func:`to_bytes` wrote."""
    facts = json.loads(opened)
    return PayeeWallet(**facts) if kind is PayeeKind.WALLET else PayeeBank(**facts)
