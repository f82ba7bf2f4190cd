"""The life of a payout and of the transfers that it consists of. Pure: what is known in, what follows out.

    planned → sending → sent → paid, or failed, unknown, returned, cancelled

A payout is cut into transfers where its provider has a limit. Each has a key of its own for ever; after a definite
failure a new attempt at the same position has a new key. `paid` is not final: money can come back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    PLANNED = "planned"
    SENDING = "sending"
    SENT = "sent"
    PAID = "paid"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class TransferState(StrEnum):
    """Where one transfer stands: `created` before anybody was asked, `asked` until there is an answer."""

    CREATED = "created"
    ASKED = "asked"
    ACCEPTED = "accepted"
    PAID = "paid"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    RETURNED = "returned"


class Word(StrEnum):
    """What a provider, a bank's line or a person says of a transfer. NOTHING is no answer at all."""

    ACCEPTED = "accepted"
    PAID = "paid"
    REJECTED = "rejected"
    RETURNED = "returned"
    NOTHING = "nothing"


class Booking(StrEnum):
    """What the ledger books for a transfer."""

    PAID = "paid"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Heard:
    """What follows from a word: the transfer's new state and what to book. `contradicts` is a word that came too late.

    A contradiction (rejected, and then paid) changes nothing; people must look at it.
    """

    state: TransferState
    bookings: tuple[Booking, ...] = ()
    contradicts: bool = False


_S, _W = TransferState, Word
OPEN: Final = frozenset({_S.CREATED, _S.ASKED, _S.ACCEPTED, _S.UNKNOWN})
"""States in which the money may still arrive, or not."""

_FROM_OPEN: Final[Mapping[Word, Heard]] = MappingProxyType(
    {
        _W.ACCEPTED: Heard(_S.ACCEPTED),
        _W.PAID: Heard(_S.PAID, (Booking.PAID,)),
        _W.REJECTED: Heard(_S.REJECTED),
        _W.RETURNED: Heard(_S.RETURNED, (Booking.PAID, Booking.RETURNED)),
        _W.NOTHING: Heard(_S.UNKNOWN),
    }
)


def hear(state: TransferState, word: Word) -> Heard:
    """What a word makes of a transfer. Hearing the same again changes nothing."""
    if state in OPEN:
        keeps = (state is _S.ACCEPTED and word is _W.NOTHING) or (state is _S.UNKNOWN and word is _W.ACCEPTED)
        return Heard(_S.ACCEPTED) if keeps else _FROM_OPEN[word]
    if state is _S.PAID and word is _W.RETURNED:
        return Heard(_S.RETURNED, (Booking.RETURNED,))
    late = {_S.PAID: {_W.REJECTED}, _S.REJECTED: {_W.PAID, _W.RETURNED}, _S.RETURNED: {_W.REJECTED}}
    return Heard(state, contradicts=word in late[state])


_WORST_FIRST: Final = (
    (_S.UNKNOWN, PayoutStatus.UNKNOWN),
    (_S.CREATED, PayoutStatus.SENDING),
    (_S.ASKED, PayoutStatus.SENDING),
    (_S.REJECTED, PayoutStatus.FAILED),
    (_S.ACCEPTED, PayoutStatus.SENT),
    (_S.RETURNED, PayoutStatus.RETURNED),
    (_S.PAID, PayoutStatus.PAID),
)


def status_of(states: Iterable[TransferState]) -> PayoutStatus:
    """A payout's status by the latest attempt at each of its positions: what needs somebody most comes first."""
    present = set(states)
    return next((status for state, status in _WORST_FIRST if state in present), PayoutStatus.PLANNED)


def cut(amount_minor: int, limit_minor: int | None) -> Sequence[int]:
    """The amounts of the transfers that a payout takes under a provider's limit; they sum to it."""
    if limit_minor is None or amount_minor <= limit_minor:
        return [amount_minor]
    if limit_minor < 1:
        raise ValueError(f"A limit per transfer is positive, not {limit_minor}")
    whole, rest = divmod(amount_minor, limit_minor)
    return [limit_minor] * whole + ([rest] if rest else [])
