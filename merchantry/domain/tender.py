"""Where a refund goes back to: the tenders that a payment was made of. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from merchantry.domain.errors import InvalidInput, RefundTooLarge


@dataclass(frozen=True, slots=True)
class PaidTender:
    """One tender of a payment, what it paid, and what has gone back to it."""

    position: int
    method: str
    amount_minor: int
    refunded_minor: int

    @property
    def left_minor(self) -> int:
        """What can still go back to it."""
        return self.amount_minor - self.refunded_minor


def backwards(
    tenders: Sequence[PaidTender], amount_minor: int, currency: str, first: Sequence[int] = ()
) -> tuple[tuple[PaidTender, int], ...]:
    """Which tenders get how much back: those at the positions given first, then the last tender before the others.

    Each gets at most what is left of what it paid. Raises InvalidInput for a position that is not the payment's,
    RefundTooLarge for more than is left of all.
    """
    known = {tender.position: tender for tender in tenders}
    if set(first) - known.keys():
        raise InvalidInput(reason="The payment has no tender at this position.", path=("tenders",))
    order = [*dict.fromkeys(first), *sorted(known.keys() - set(first), reverse=True)]
    back, rest_minor = [], amount_minor
    for position in order:
        share_minor = min(known[position].left_minor, rest_minor)
        rest_minor -= share_minor
        if share_minor:
            back.append((known[position], share_minor))
    if rest_minor:
        raise RefundTooLarge(refundable_minor=amount_minor - rest_minor, currency=currency)
    return tuple(back)
