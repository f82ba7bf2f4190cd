"""Returns and chargebacks: what may happen to them, and the hold's clock, which stands still meanwhile. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from merchantry.domain.errors import ReturnRefused, ReturnTooLate

RETURN_DAYS: Final = 14
"""How many days after the last delivery, or else after completion, a buyer may ask to return something whose category
says nothing else."""

DECIDE_DAYS: Final = 3
"""How many days a merchant has to answer; silence approves."""

SEND_DAYS: Final = 14
"""How many days a buyer has to send back what was approved; then the request expires."""


class ReturnStatus(StrEnum):
    """Where a return stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    RECEIVED = "received"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ReturnAct(StrEnum):
    """What somebody, or the clock, does to a return."""

    APPROVE = "approve"
    REJECT = "reject"
    RECEIVE = "receive"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


_S, _A = ReturnStatus, ReturnAct

RETURN_STEPS: Final[Mapping[tuple[ReturnStatus, ReturnAct], ReturnStatus]] = MappingProxyType(
    {
        (_S.REQUESTED, _A.APPROVE): _S.APPROVED,
        (_S.REQUESTED, _A.REJECT): _S.REJECTED,
        (_S.REQUESTED, _A.WITHDRAW): _S.WITHDRAWN,
        (_S.APPROVED, _A.WITHDRAW): _S.WITHDRAWN,
        (_S.APPROVED, _A.EXPIRE): _S.EXPIRED,
        (_S.APPROVED, _A.RECEIVE): _S.REFUNDED,
    }
)
"""What may happen to a return. What is received is refunded at once; the other ends cost nobody anything."""


def step(status: ReturnStatus, act: ReturnAct) -> ReturnStatus:
    """Where a return stands after an act. Raises ReturnRefused."""
    found = RETURN_STEPS.get((status, act))
    if found is None:
        raise ReturnRefused(status=status, act=act)
    return found


def returnable_until(delivered_at: datetime | None, completed_at: datetime | None, days: int = RETURN_DAYS) -> datetime:
    """When a return can no longer be asked for: days of 24 hours after the last delivery, or else after completion.

    Raises ValueError where nothing has been delivered and nothing completed.
    """
    begins = delivered_at or completed_at
    if begins is None:
        raise ValueError("Nothing has reached the buyer yet")
    return begins + timedelta(days=days)


def refuse_late(until: datetime, at: datetime) -> None:
    """Raises ReturnTooLate from the moment on."""
    if at >= until:
        raise ReturnTooLate(until=until)


def moved_hold(hold_ends_at: datetime, stopped_at: datetime, resumed_at: datetime, zone: ZoneInfo) -> datetime:
    """When a hold ends whose clock stood still: as many calendar days and as much wall-clock time later, in the zone.

    What the clocks of the zone skip or repeat meanwhile makes no difference, as with the hold itself
    (`settlement.hold_ends_at`). A hold that had ended before its clock stopped stays as it was.
    """
    if stopped_at >= hold_ends_at:
        return hold_ends_at
    ends, stopped, resumed = (
        each.astimezone(zone).replace(tzinfo=None) for each in (hold_ends_at, stopped_at, resumed_at)
    )
    later = (ends + (resumed - stopped)).replace(tzinfo=zone, fold=0).astimezone(UTC)
    return max(later, hold_ends_at)


@dataclass(frozen=True, slots=True)
class Divided:
    """A chargeback's amount: what was refunded already, what is taken from the sale's parties, and what is above it."""

    covered_minor: int
    sale_minor: int
    excess_minor: int


def divide_chargeback(amount_minor: int, uncovered_minor: int, left_minor: int) -> Divided:
    """One loss per sale: what was refunded (and linked to no other chargeback) is not lost again.

    `left_minor` is what of the sale was not refunded. Raises ValueError below zero.
    """
    if min(amount_minor, uncovered_minor, left_minor) < 0:
        raise ValueError("A chargeback has no negative amounts")
    # What is left of the sale comes first: only beyond it can the bank have taken what the buyer had back already.
    sale_minor = min(left_minor, amount_minor)
    covered_minor = min(uncovered_minor, amount_minor - sale_minor)
    return Divided(covered_minor, sale_minor, amount_minor - covered_minor - sale_minor)


def held_for(sale_minor: int, available_minor: int) -> int:
    """What of the merchant's available money is kept while a chargeback lasts."""
    return min(sale_minor, max(available_minor, 0))
