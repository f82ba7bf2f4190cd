"""What the payment provider charges: estimated at capture, trued up when the provider tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from merchantry.domain.money import allocate, of_bps


class FeeBearer(StrEnum):
    """Who bears the provider's fee."""

    PLATFORM = "platform"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True)
class PaymentFee:
    """The fee to expect: basis points of what the buyer pays for the order, and an amount once per order."""

    bps: int
    borne_by: FeeBearer
    fixed_minor: Mapping[str, int] = field(default_factory=dict)


def estimated_fees(currency: str, fees: Sequence[PaymentFee | None], paid_minor: Sequence[int]) -> list[int]:
    """Each line's share of the order's fee, by what was paid for the line; nothing for lines without a fee.

    The order's fee is rounded once, half-up, over all that the buyer paid. Where lines have different fees, each has
    the share that it would have if its own fee were the order's, so that a fixed part counts once per order.
    """
    total_minor = sum(paid_minor)
    estimates = []
    for position, fee in enumerate(fees):
        if fee is None or not total_minor:
            estimates.append(0)
            continue
        order_minor = of_bps(total_minor, fee.bps) + fee.fixed_minor.get(currency, 0)
        estimates.append(allocate(order_minor, paid_minor)[position])
    return estimates


def fee_true_up(estimated_minor: Sequence[int], actual_minor: int, paid_minor: Sequence[int]) -> list[int]:
    """What each line's fee changes by when the provider's fee for the payment is known: positive is more to bear.

    The lines are all that the payment was for, of all its orders. The actual fee is shared by what was paid for each,
    so estimate and change come to the line's exact share of it. Whoever bears a line's fee bears its change.
    """
    shares = allocate(actual_minor, paid_minor)
    return [share - estimate for share, estimate in zip(shares, estimated_minor, strict=True)]
