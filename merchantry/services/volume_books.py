"""Volumes of one merchant recounted from its split lines, and the true-ups that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from merchantry.domain.line_split import LineSplit
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.settlement import Schedule
from merchantry.domain.tier_refund import TakenBack, taken_out
from merchantry.domain.tiers import Tiers, Volume, after_line, trued_up
from merchantry.services.volume import FIGURES, window_starts_at
from merchantry.services.volume_refund import less

PlanVersion = tuple[str, int]
Key = tuple[str, str, str, datetime, str]


@dataclass
class VolumeBooks:
    """What the captures shown so far have counted, by plan, rule, currency, window and seller of record.

    ``tiers`` are those of the plan versions that lines were rated by, by rule.
    """

    schedules: tuple[Schedule, ...]
    tiers: dict[PlanVersion, Mapping[str, Tiers]] = field(default_factory=dict)
    volumes: dict[Key, Volume] = field(default_factory=dict)
    due: dict[tuple[UUID | None, str], int] = field(default_factory=dict)
    """True-ups of captures that have not been shown yet, by order and rule."""
    owed: dict[int, tuple[int, int]] = field(default_factory=dict)
    """What refunds took back of true-ups, with its tax, by the refund's entry, until it is shown."""

    def count(
        self,
        order_id: UUID | None,
        plan: PlanVersion,
        lines: Sequence[LineSplit],
        currency: str,
        at: datetime,
        seller: SellerOfRecord,
    ) -> None:
        """The lines of a captured order, in its order."""
        for line in lines:
            rated = line.commission
            if rated.tier_mode is None:
                continue
            tiers = self.tiers[plan][rated.rule]
            key = (plan[0], rated.rule, currency, window_starts_at(tiers, at, self.schedules), seller)
            bound = rated.bound != "none"
            before = self.volumes.get(key, Volume())
            after, changed_minor = after_line(
                tiers, currency, before, rated.base_minor, rated.rate_part_minor, bound=bound
            )
            self.volumes[key] = after
            if changed_minor:
                due = (order_id, rated.rule)
                self.due[due] = self.due.get(due, 0) + changed_minor

    def true_up(self, key: Key, seq: int, tax_minor: int) -> None:
        """A true-up was booked for what has been counted."""
        self.volumes[key] = replace(trued_up(self.volumes.get(key, Volume()), 0, tax_minor), trued_up_seq=seq)

    def take_out(
        self, seq: int, taken: Sequence[TakenBack], currency: str, at: datetime, seller: SellerOfRecord
    ) -> None:
        """What a refund, whose entry this is, took out of its lines' windows and of the one that it was booked in."""
        for each in taken:
            own = (each.plan, each.rule, currency, datetime.fromisoformat(each.window), seller)
            self.volumes[own] = taken_out(self.volumes.get(own, Volume()), each)
            tiers = self.tiers[each.plan, each.plan_version][each.rule]
            if tiers.refunds_lower_volume:
                window = window_starts_at(tiers, at, self.schedules)
                booked = (each.plan, each.rule, currency, window, seller)
                self.volumes[booked] = less(self.volumes.get(booked, Volume()), each.lowered_minor)
            if each.owed_minor or each.tax_minor:
                amount_minor, tax_minor = self.owed.get(seq, (0, 0))
                self.owed[seq] = (amount_minor + each.owed_minor, tax_minor + each.tax_minor)

    def rows(self) -> dict[Key, tuple[int, ...]]:
        """The rows that should be kept."""
        return {key: tuple(getattr(each, name) for name in FIGURES) for key, each in self.volumes.items()}
