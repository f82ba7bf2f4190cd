"""What of its commission the platform returns when a buyer is refunded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from merchantry.domain.money import half_up, of_bps


class ReturnKind(StrEnum):
    """What comes back to the merchant, always with its tax and always by how much of the base was refunded.

    FULL: the commission and the payment fee. PROPORTIONAL: the commission; the payment fee stays with whoever bore it.
    KEEP_FIXED: the commission without its fixed part. MINUS_ADMINISTRATION_FEE: the commission less a fee for the work.
    """

    FULL = "full"
    PROPORTIONAL = "proportional"
    KEEP_FIXED = "keep_fixed"
    MINUS_ADMINISTRATION_FEE = "minus_administration_fee"


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """The kind; for an administration fee its basis points of the commission returned, and its cap per line and
    currency."""

    kind: ReturnKind = ReturnKind.FULL
    fee_bps: int = 0
    fee_cap_minor: Mapping[str, int] = field(default_factory=dict)

    @property
    def returns_payment_fee(self) -> bool:
        """Whether the merchant gets the payment fee back."""
        return self.kind is ReturnKind.FULL


def commission_returned(
    policy: RefundPolicy, currency: str, commission_minor: int, fixed_minor: int, refunded: Fraction
) -> int:
    """How much of a line's commission has come back when this fraction of its base has been refunded, all in all.

    Never falls as the fraction grows, and never exceeds the commission.
    """
    kept_minor = min(fixed_minor, commission_minor) if policy.kind is ReturnKind.KEEP_FIXED else 0
    returned_minor = share_of(commission_minor - kept_minor, refunded)
    if policy.kind is not ReturnKind.MINUS_ADMINISTRATION_FEE:
        return returned_minor
    fee_minor = of_bps(returned_minor, policy.fee_bps)
    return returned_minor - min(fee_minor, policy.fee_cap_minor.get(currency, fee_minor))


def share_of(amount_minor: int, fraction: Fraction) -> int:
    """The fraction of an amount, half-up."""
    return half_up(amount_minor * fraction.numerator, fraction.denominator)
