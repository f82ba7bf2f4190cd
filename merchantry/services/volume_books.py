"""Volumes of one merchant recounted from its split lines, and the true-ups that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from merchantry.domain.line_split import LineSplit
from merchantry.domain.settlement import Schedule
from merchantry.domain.tiers import Tiers, Volume, after_line, refunded
from merchantry.services.volume import FIGURES, TakenBack, window_starts_at

PlanVersion = tuple[str, int]
Key = tuple[str, str, str, datetime]


@dataclass
class VolumeBooks:
    """What the captures shown so far have counted, by plan, rule, currency and window.

    ``tiers`` are those of the plan versions that lines were rated by, by rule.
    """

    schedules: tuple[Schedule, ...]
    tiers: dict[PlanVersion, Mapping[str, Tiers]] = field(default_factory=dict)
    volumes: dict[Key, Volume] = field(default_factory=dict)
    due: dict[tuple[UUID | None, str], int] = field(default_factory=dict)
    """True-ups of captures that have not been shown yet, by order and rule."""

    def count(
        self, order_id: UUID | None, plan: PlanVersion, lines: Sequence[LineSplit], currency: str, at: datetime
    ) -> None:
        """The lines of a captured order, in its order."""
        for line in lines:
            rated = line.commission
            if rated.tier_mode is None:
                continue
            tiers = self.tiers[plan][rated.rule]
            key = (plan[0], rated.rule, currency, window_starts_at(tiers, at, self.schedules))
            bound = rated.bound != "none"
            before = self.volumes.get(key, Volume())
            after, changed_minor = after_line(
                tiers, currency, before, rated.base_minor, rated.rate_part_minor, bound=bound
            )
            self.volumes[key] = after
            if changed_minor:
                due = (order_id, rated.rule)
                self.due[due] = self.due.get(due, 0) + changed_minor

    def lower(self, taken: Sequence[TakenBack], currency: str, at: datetime) -> None:
        """What a refund took out of the windows that it was booked in."""
        for each in taken:
            tiers = self.tiers[each.plan, each.plan_version][each.rule]
            key = (each.plan, each.rule, currency, window_starts_at(tiers, at, self.schedules))
            before = self.volumes.get(key, Volume())
            self.volumes[key] = refunded(tiers, before, each.base_minor, each.part_minor, bound=each.bound)

    def rows(self) -> dict[Key, tuple[int, ...]]:
        """The rows that should be kept."""
        return {key: tuple(getattr(each, name) for name in FIGURES) for key, each in self.volumes.items()}
