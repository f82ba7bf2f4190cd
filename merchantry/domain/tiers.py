"""Volume tiers: the rate that a line has by what its merchant has sold before, and the true-up when that is late."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from merchantry.domain.money import of_bps
from merchantry.domain.settlement import Cycle, Period, Schedule, period_of


class TierMode(StrEnum):
    """Whether a step's rate is for what lies above it, or for all of the window once it is reached."""

    MARGINAL = "marginal"
    RETROACTIVE = "retroactive"


class TierWindow(StrEnum):
    """The span in which volume is counted from nothing."""

    CALENDAR_MONTH = "calendar_month"
    SETTLEMENT_PERIOD = "settlement_period"


@dataclass(frozen=True, slots=True)
class Step:
    """A rate from a volume on, by currency. The first step starts at nothing in every currency and names none."""

    from_minor: Mapping[str, int]
    rate_bps: int


@dataclass(frozen=True, slots=True)
class Tiers:
    """The steps of a rule, the first first. Volume is the base of one merchant's lines under this rule, per currency.

    `time_zone` (IANA) is that of a calendar month; a settlement period has its merchant's. `refunds_lower_volume` says
    whether a refund takes the returned base out of the volume of the window in which it is booked.
    """

    mode: TierMode
    window: TierWindow
    time_zone: str | None
    refunds_lower_volume: bool
    steps: tuple[Step, ...]

    def ladder(self, currency: str) -> tuple[tuple[int, int], ...]:
        """The steps of one currency as (from, rate). A currency that no step names has the first rate alone."""
        first, *others = self.steps
        named = [(step.from_minor[currency], step.rate_bps) for step in others if currency in step.from_minor]
        return (0, first.rate_bps), *named

    def step_at(self, currency: str, volume_minor: int) -> tuple[int, int]:
        """The step that a volume has reached, as (from, rate)."""
        return max(step for step in self.ladder(currency) if step[0] <= volume_minor)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a line's base that has one rate: the step's beginning, the amount, the rate, and the rate's part."""

    from_minor: int
    amount_minor: int
    rate_bps: int
    part_minor: int


@dataclass(frozen=True, slots=True)
class Volume:
    """What a merchant has sold in a window under one rule and in one currency, before the next line.

    `counted_minor` is the base counted, less refunds where the tiers say so. The others are for retroactive tiers:
    `reached_minor` the most that was ever counted, as a step once reached is kept to the end of the window;
    `open_base_minor` and `open_part_minor` base and rate's parts (with true-ups, less refunds) of the lines whose
    commission no floor or cap decided. `trued_up_minor` and `trued_up_tax_minor` are what its true-ups came to, less
    what refunds took back of them (both negative where commission fell); `trued_up_seq` is the entry of the last, or 0.
    """

    counted_minor: int = 0
    reached_minor: int = 0
    open_base_minor: int = 0
    open_part_minor: int = 0
    trued_up_minor: int = 0
    trued_up_tax_minor: int = 0
    trued_up_seq: int = 0


@dataclass(frozen=True, slots=True)
class TrueUp:
    """What a crossing changes for the lines sold before it: more commission where positive, less where negative.

    `volume_minor` had come to `booked_minor` of commission, and comes to `rate_bps` of it. `tax_minor` is the tax on
    the amount, of the same sign.
    """

    rule: str
    volume_minor: int
    booked_minor: int
    rate_bps: int
    amount_minor: int
    tax_minor: int


def window_of(tiers: Tiers, instant: datetime, settlement_period: Period) -> Period:
    """The window that a capture falls into; `settlement_period` is the merchant's at that instant."""
    if tiers.window is TierWindow.SETTLEMENT_PERIOD or tiers.time_zone is None:
        return settlement_period
    return period_of(instant, Schedule(ZoneInfo(tiers.time_zone), Cycle.MONTHLY))


def slices(tiers: Tiers, currency: str, before: Volume, base_minor: int) -> tuple[Slice, ...]:
    """The rates of the next line: each slice's part is rounded half-up on its own, and the slices sum to the base.

    Marginal: the line is cut where it crosses a step. Retroactive: one slice, at the step that is reached with it.
    """
    if tiers.mode is TierMode.RETROACTIVE:
        from_minor, rate_bps = tiers.step_at(currency, _reached(before, base_minor))
        return (Slice(from_minor, base_minor, rate_bps, of_bps(base_minor, rate_bps)),)
    start, end = before.counted_minor, before.counted_minor + base_minor
    ladder = tiers.ladder(currency)
    cuts = []
    for (from_minor, rate_bps), until in zip(ladder, [*(each[0] for each in ladder[1:]), None], strict=True):
        amount_minor = (end if until is None else min(end, until)) - max(start, from_minor)
        if amount_minor > 0:
            cuts.append(Slice(from_minor, amount_minor, rate_bps, of_bps(amount_minor, rate_bps)))
    if not cuts:
        from_minor, rate_bps = tiers.step_at(currency, start)
        cuts.append(Slice(from_minor, 0, rate_bps, 0))
    return tuple(cuts)


def true_up(open_base_minor: int, booked_minor: int, rate_bps: int) -> int:
    """What lines sold before a crossing still come to: half-up(their base x the new rate) - what is booked for them."""
    return of_bps(open_base_minor, rate_bps) - booked_minor


def crossing(tiers: Tiers, currency: str, before: Volume, base_minor: int) -> int | None:
    """The rate to which the next line of retroactive tiers takes all before it, or None where it reaches no step."""
    if tiers.mode is TierMode.MARGINAL:
        return None
    # What was reached, not what is counted: that can have risen without a line, when a chargeback was won.
    old, new = (tiers.step_at(currency, minor) for minor in (before.reached_minor, _reached(before, base_minor)))
    return None if old == new else new[1]


def counted(before: Volume, base_minor: int, part_minor: int, *, bound: bool) -> Volume:
    """The volume after a line. `bound` says that a floor, a cap or the money decided, so that no true-up is due."""
    return replace(
        before,
        counted_minor=before.counted_minor + base_minor,
        reached_minor=_reached(before, base_minor),
        open_base_minor=before.open_base_minor + (0 if bound else base_minor),
        open_part_minor=before.open_part_minor + (0 if bound else part_minor),
    )


def after_line(
    tiers: Tiers, currency: str, before: Volume, base_minor: int, part_minor: int, *, bound: bool
) -> tuple[Volume, int]:
    """The volume after a line that was rated, and what its crossing changes for the lines before it."""
    rate_bps = crossing(tiers, currency, before, base_minor)
    if rate_bps is None:
        return counted(before, base_minor, part_minor, bound=bound), 0
    changed_minor = true_up(before.open_base_minor, before.open_part_minor, rate_bps)
    return counted(trued_up(before, changed_minor), base_minor, part_minor, bound=bound), changed_minor


def trued_up(before: Volume, changed_minor: int, tax_minor: int = 0) -> Volume:
    """The volume after a true-up of so much, with so much tax."""
    return replace(
        before,
        open_part_minor=before.open_part_minor + changed_minor,
        trued_up_minor=before.trued_up_minor + changed_minor,
        trued_up_tax_minor=before.trued_up_tax_minor + tax_minor,
    )


def _reached(before: Volume, base_minor: int) -> int:
    return max(before.reached_minor, before.counted_minor + base_minor)
