"""Accounts that merchants are paid to: what may become of one, and what of its number may be shown."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from merchantry.domain.errors import PayeeAccountRefused

COOL_OFF: Final = timedelta(days=3)
"""How long nothing is paid to an account that took another's place: time for its owner to hear of it and object."""

SHOWN: Final = 4
"""How many characters of a number may be seen at most, and never more than half of it."""


class PayeeKind(StrEnum):
    """What an account is."""

    BANK = "bank"
    WALLET = "wallet"


class PayeeStatus(StrEnum):
    """Where an account stands. Money goes to VERIFIED ones only, once their cooling off is over."""

    COOLING = "cooling"
    VERIFIED = "verified"
    FLAGGED = "flagged"
    RETIRED = "retired"


class PayeeAct(StrEnum):
    """What can be done to an account."""

    VERIFY = "verify"
    FLAG = "flag"
    UNFLAG = "unflag"
    RETIRE = "retire"
    PAY = "pay"


ALLOWED: Final[Mapping[PayeeAct, frozenset[PayeeStatus]]] = MappingProxyType(
    {
        PayeeAct.VERIFY: frozenset({PayeeStatus.COOLING}),
        PayeeAct.FLAG: frozenset({PayeeStatus.COOLING, PayeeStatus.VERIFIED}),
        PayeeAct.UNFLAG: frozenset({PayeeStatus.FLAGGED}),
        PayeeAct.RETIRE: frozenset({PayeeStatus.COOLING, PayeeStatus.VERIFIED, PayeeStatus.FLAGGED}),
        PayeeAct.PAY: frozenset({PayeeStatus.COOLING, PayeeStatus.VERIFIED, PayeeStatus.RETIRED}),
    }
)
"""A payout goes to the account that it was planned for, also when another has taken its place meanwhile."""


def refuse_unless_allowed(status: PayeeStatus, act: PayeeAct) -> None:
    """Raises PayeeAccountRefused."""
    if status not in ALLOWED[act]:
        raise PayeeAccountRefused(status=status, act=act)


def usable_from(added_at: datetime, *, is_first: bool) -> datetime:
    """When an account may be paid to once it is verified; the first of its currency has nobody to be mistaken for."""
    return added_at if is_first else added_at + COOL_OFF


def masked(number: str) -> str:
    """What of an account's number may be shown: ``•••• 3000``."""
    seen = min(SHOWN, len(number) // 2)
    return f"•••• {number[len(number) - seen :]}"
