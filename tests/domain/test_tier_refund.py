"""Refunds of orders in windows with tiers: what they take back of true-ups, and what the windows count afterwards."""

from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.money import of_bps
from merchantry.domain.tier_refund import (
    LastTrueUp,
    TakenBack,
    TieredLine,
    lowered,
    owed,
    owed_again,
    taken_out,
    true_up_taken_back,
)
from merchantry.domain.tiers import (
    Step,
    TierMode,
    Tiers,
    TierWindow,
    Volume,
    counted,
    crossing,
    slices,
    true_up,
    trued_up,
)

TAX_BPS = 1900
RETROACTIVE = Tiers(
    TierMode.RETROACTIVE,
    TierWindow.CALENDAR_MONTH,
    "UTC",
    refunds_lower_volume=True,
    steps=(Step({}, 1000), Step({"BRL": 100_000}, 800), Step({"BRL": 200_000}, 333)),
)


@dataclass
class Sold:
    """A line of the window: its base, the rate frozen with it, and how much of it was refunded."""

    base_minor: int
    rate_bps: int
    part_minor: int
    trued_up: bool = False
    refunded_minor: int = 0

    def part_of(self, base_minor: int) -> TieredLine:
        """A refund of so much of the base."""
        before, after = self.refunded_minor, self.refunded_minor + base_minor
        part = _share(self.part_minor, after, self.base_minor) - _share(self.part_minor, before, self.base_minor)
        return TieredLine(uuid4(), "p", 1, "default", False, self.rate_bps, before, base_minor, part)


def _share(amount: int, part: int, whole: int) -> int:
    return (2 * amount * part + whole) // (2 * whole)


class Window:
    """One window of a merchant: what it counts, what it booked of commission, and the tax of its true-ups."""

    def __init__(self, *, refunds_lower_volume: bool) -> None:
        self.tiers = replace(RETROACTIVE, refunds_lower_volume=refunds_lower_volume)
        self.volume = Volume()
        self.last: LastTrueUp | None = None
        self.lines: list[Sold] = []
        self.booked_minor = 0
        self.tax_minor = 0

    def sell(self, base_minor: int) -> Sold:
        rate = crossing(self.tiers, "BRL", self.volume, base_minor)
        [cut] = slices(self.tiers, "BRL", self.volume, base_minor)
        if rate is not None:
            changed = true_up(self.volume.open_base_minor, self.volume.open_part_minor, rate)
            tax = of_bps(changed, TAX_BPS)
            self.volume = trued_up(self.volume, changed, tax)
            self.booked_minor, self.tax_minor = self.booked_minor + changed, self.tax_minor + tax
            self.last = LastTrueUp(rate, TAX_BPS)
            for line in self.lines:
                line.trued_up = True
        self.volume = counted(self.volume, base_minor, cut.part_minor, bound=False)
        self.booked_minor += cut.part_minor
        self.lines.append(Sold(base_minor, cut.rate_bps, cut.part_minor))
        return self.lines[-1]

    def refund(self, line: Sold, base_minor: int) -> TakenBack:
        part = line.part_of(base_minor)
        amount, tax = owed(self.volume, part, self.last if line.trued_up else None)
        lower = lowered(self.tiers, self.volume, base_minor)
        return self._apply(line, part, 1, lower, amount, tax)

    def win(self, line: Sold, undone: TakenBack) -> TakenBack:
        line.refunded_minor -= undone.base_minor
        part = line.part_of(undone.base_minor)
        amount, tax = owed_again(self.volume, part, self.last if line.trued_up else None)
        return self._apply(line, part, -1, undone.lowered_minor, amount, tax)

    def _apply(self, line: Sold, part: TieredLine, sign: int, lower: int, amount: int, tax: int) -> TakenBack:
        base, rate_part = sign * part.base_minor, sign * part.part_minor
        taken = TakenBack(part.line_id, "p", 1, "default", "", base, rate_part, sign * lower, amount, tax, TAX_BPS)
        self.volume = taken_out(self.volume, taken)
        self.volume = replace(self.volume, counted_minor=self.volume.counted_minor - taken.lowered_minor)
        self.booked_minor += amount - rate_part
        self.tax_minor += tax
        if sign > 0:
            line.refunded_minor += base
        return taken


def test_a_refund_takes_back_what_the_true_up_had_returned_for_its_line() -> None:
    assert true_up_taken_back(0, 100_000, 1000, 800) == 2_000
    steps = [true_up_taken_back(before, 33, 1000, 800) for before in (0, 33, 66)]
    assert sum(steps) == of_bps(99, 200)


def test_a_window_of_which_everything_is_refunded_comes_to_nothing() -> None:
    window = Window(refunds_lower_volume=False)
    lines = [window.sell(33_333), window.sell(33_331), window.sell(40_007)]
    assert window.volume.trued_up_minor == 5_333 - 6_666
    taken = [window.refund(line, line.base_minor) for line in lines]
    assert [each.owed_minor for each in taken] == [667, 667, -1]
    assert (window.booked_minor, window.tax_minor) == (0, 0)
    assert window.volume == Volume(counted_minor=106_671, reached_minor=106_671)


def test_a_line_that_a_bound_decided_and_one_after_the_true_up_take_nothing_back() -> None:
    window = Volume(200_000, 200_000, 150_000, 12_000, -2_000, -380, 7)
    line = TieredLine(uuid4(), "p", 1, "default", True, 1000, 0, 50_000, 5_000)
    assert owed(window, line, LastTrueUp(800, TAX_BPS)) == (0, 0)
    assert owed_again(window, line, LastTrueUp(800, TAX_BPS)) == (0, 0)
    late = replace(line, bound=False, rate_bps=800, part_minor=4_000)
    assert owed(window, late, LastTrueUp(800, TAX_BPS)) == (0, 0)
    assert owed(window, replace(late, rate_bps=1000), None) == (0, 0)
    assert owed(window, replace(late, rate_bps=1000), LastTrueUp(800, TAX_BPS)) == (1_000, 190)


def test_no_window_counts_below_nothing_and_what_lowers_it_is_what_comes_back() -> None:
    assert lowered(RETROACTIVE, Volume(1_000), 300) == 300
    assert lowered(RETROACTIVE, Volume(100), 300) == 100
    assert lowered(replace(RETROACTIVE, refunds_lower_volume=False), Volume(1_000), 300) == 0


def test_a_step_once_reached_is_kept_to_the_end_of_the_window() -> None:
    window = Window(refunds_lower_volume=True)
    window.sell(60_000)
    line = window.sell(60_000)
    window.refund(line, 60_000)
    assert window.volume.counted_minor == 60_000
    assert window.sell(100).rate_bps == 800


def test_a_chargeback_that_is_won_raises_the_volume_again_and_the_next_line_may_reach_a_step_with_it() -> None:
    window = Window(refunds_lower_volume=True)
    first = window.sell(60_000)
    lost = window.refund(first, 60_000)
    window.sell(50_000)
    assert (window.volume.counted_minor, window.volume.reached_minor, window.last) == (50_000, 60_000, None)
    window.win(first, lost)
    assert window.volume.counted_minor == 110_000
    window.sell(1_000)
    assert window.last == LastTrueUp(800, TAX_BPS)
    assert window.booked_minor == of_bps(111_000, 800)


more = st.booleans()


@given(
    st.booleans(),
    st.lists(st.integers(1, 90_000), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(1, 100), st.booleans()), max_size=12),
    st.data(),
)
def test_a_windows_commission_is_that_of_its_net_volume_whatever_is_sold_and_refunded(
    lowers: bool, bases: list[int], refunds: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    window = Window(refunds_lower_volume=lowers)
    pending = list(bases)
    undone: list[tuple[Sold, TakenBack]] = []
    for position, percent, wins in refunds:
        while data.draw(more) and pending:
            window.sell(pending.pop())
        if not window.lines:
            continue
        line = window.lines[position % len(window.lines)]
        base = (line.base_minor - line.refunded_minor) * percent // 100
        if base:
            undone.append((line, window.refund(line, base)))
        if wins and undone and undone[-1][0] is line:
            window.win(*undone.pop())
    for minor in pending:
        window.sell(minor)
    net = [line.base_minor - line.refunded_minor for line in window.lines]
    assert window.volume.open_base_minor == sum(net)
    assert window.volume.open_part_minor == window.booked_minor
    rate = window.tiers.step_at("BRL", window.volume.reached_minor)[1]
    roundings = len(window.lines) + 2 * len(refunds)
    assert abs(window.booked_minor - of_bps(sum(net), rate)) <= roundings
    if not lowers:
        assert window.volume.counted_minor == sum(line.base_minor for line in window.lines)
    for line in window.lines:
        if line.base_minor > line.refunded_minor:
            window.refund(line, line.base_minor - line.refunded_minor)
    assert (window.booked_minor, window.tax_minor) == (0, 0)
    assert replace(window.volume, counted_minor=0, reached_minor=0) == Volume()


@pytest.mark.parametrize("tax_bps", [0, 1900])
def test_the_tax_of_a_true_up_comes_back_with_it(tax_bps: int) -> None:
    window = Volume(10_000, 10_000, 10_000, 800, -200, of_bps(-200, tax_bps), 3)
    line = TieredLine(uuid4(), "p", 1, "default", False, 1000, 0, 5_000, 500)
    assert owed(window, line, LastTrueUp(800, tax_bps)) == (100, of_bps(100, tax_bps))
