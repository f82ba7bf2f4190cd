"""What a bank or a provider says that it did, in whatever form its file was."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class BankLine:
    """One movement on the account, credit positive. ``position`` counts from 1 within the statement.

    ``end_to_end_id`` is the reference that the transfer was instructed with, ``reference`` the bank's or provider's
    own. ``is_return`` marks money of an earlier movement that came back, for the ``reason`` given.
    """

    position: int
    amount_minor: int
    currency: str
    booked_on: date
    value_on: date | None
    end_to_end_id: str | None
    reference: str | None
    text: str
    is_return: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class BankStatement:
    """The movements of one account and currency over some days, both included.

    Balances are None where the file has none; where it has them, opening balance and lines sum to the closing one.
    """

    id: str
    account: str
    currency: str
    opening_minor: int | None
    closing_minor: int | None
    from_on: date
    to_on: date
    lines: tuple[BankLine, ...]
