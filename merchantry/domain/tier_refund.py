"""What refunds take out of volumes, and of the true-ups that their lines had part in. Pure.

A refund returns a line's commission at the rate that was frozen with it. Where a true-up has changed that rate since, a
part had been returned already: it is taken back with the refund, from what was booked in the line's window.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from merchantry.domain.canonical import Json
from merchantry.domain.money import half_up, of_bps
from merchantry.domain.tiers import Tiers, Volume


@dataclass(frozen=True, slots=True)
class TieredLine:
    """A refund's part of a line that was rated by tiers, as it was frozen.

    `base_before_minor` of its base was refunded before, `base_minor` is now, with `part_minor` of the rate's part.
    `bound` says that a floor, a cap or the money had decided: such a line had no part in a true-up.
    """

    line_id: UUID
    plan: str
    plan_version: int
    rule: str
    bound: bool
    rate_bps: int
    base_before_minor: int
    base_minor: int
    part_minor: int


@dataclass(frozen=True, slots=True)
class LastTrueUp:
    """The true-up that was booked last in a window: the rate that it brought all before it to, and its tax's rate."""

    rate_bps: int
    tax_bps: int


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a refund changed in volumes, and what of a true-up the merchant owes again (`owed_minor`, `tax_minor`).

    `window` is when the line's own window began. `lowered_minor` is what the window of the refund counts less. All are
    negative where a refund is undone.
    """

    line_id: UUID
    plan: str
    plan_version: int
    rule: str
    window: str
    base_minor: int
    part_minor: int
    lowered_minor: int
    owed_minor: int
    tax_minor: int
    tax_bps: int

    def row(self) -> dict[str, Json]:
        """As an entry's details keep it; `from_row` reads it again."""
        return {name: getattr(self, name) for name in self.__slots__} | {"line_id": str(self.line_id)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "TakenBack":
        """What `row` wrote."""
        return cls(**{**row, "line_id": UUID(row["line_id"])})


def owed(window: Volume, line: TieredLine, last: LastTrueUp | None) -> tuple[int, int]:
    """What a refund takes back of the true-ups of the line's window, and the tax on it; the merchant owes it.

    `last` is None where no true-up came after the line. Whatever is left goes with the last of the window's base, so
    that a window of which everything is refunded comes to nothing. The tax is cumulative in the same way.
    """
    if line.bound:
        return 0, 0
    if line.base_minor and line.base_minor == window.open_base_minor:
        return -window.trued_up_minor, -window.trued_up_tax_minor
    if last is None:
        return 0, 0
    amount_minor = true_up_taken_back(line.base_before_minor, line.base_minor, line.rate_bps, last.rate_bps)
    return amount_minor, _tax(window, amount_minor, last)


def owed_again(window: Volume, line: TieredLine, last: LastTrueUp | None) -> tuple[int, int]:
    """What the merchant gets again of it where a refund is undone: not positive."""
    if line.bound or last is None:
        return 0, 0
    amount_minor = -true_up_taken_back(line.base_before_minor, line.base_minor, line.rate_bps, last.rate_bps)
    return amount_minor, _tax(window, amount_minor, last)


def true_up_taken_back(base_before_minor: int, base_minor: int, line_bps: int, rate_bps: int) -> int:
    """What a refund of a line takes back of a true-up that had changed its rate from `line_bps` to `rate_bps`.

    The cumulative method: `base_before_minor` was refunded before, `base_minor` now.
    """
    before_minor, after_minor = base_before_minor, base_before_minor + base_minor
    return of_bps(after_minor, line_bps - rate_bps) - of_bps(before_minor, line_bps - rate_bps)


def taken_out(window: Volume, taken: TakenBack) -> Volume:
    """The line's own window after it; bounded lines have nothing in it that is open."""
    return replace(
        window,
        open_base_minor=window.open_base_minor - taken.base_minor,
        open_part_minor=window.open_part_minor - taken.part_minor + taken.owed_minor,
        trued_up_minor=window.trued_up_minor + taken.owed_minor,
        trued_up_tax_minor=window.trued_up_tax_minor + taken.tax_minor,
    )


def lowered(tiers: Tiers, window: Volume, base_minor: int) -> int:
    """What the window in which a refund is booked counts less: never more than it counts."""
    return min(base_minor, window.counted_minor) if tiers.refunds_lower_volume else 0


def _tax(window: Volume, amount_minor: int, last: LastTrueUp) -> int:
    before_minor, tax_minor = window.trued_up_minor, window.trued_up_tax_minor
    if not before_minor:
        return of_bps(amount_minor, last.tax_bps)
    sign = 1 if before_minor > 0 else -1
    return half_up(tax_minor * (before_minor + amount_minor) * sign, abs(before_minor)) - tax_minor
