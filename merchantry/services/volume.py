"""What a merchant has sold under rules with tiers: counted one order at a time, in the order of capture.

Rows are locked in the order of rule and window, after the order and before the ledger's counter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.canonical import Json, rfc3339
from merchantry.domain.plan import Rule
from merchantry.domain.settlement import Schedule, period_at
from merchantry.domain.tiers import Tiers, TrueUp, Volume, refunded, window_of
from merchantry.services import ledger
from merchantry.services.order import Order
from merchantry.services.terms import Terms
from merchantry.tables.merchant import volume
from merchantry.tables.upsert import adding
from tenancy.database import MerchantSession
from tenancy.writes import Changed, write

KEY: Final = ("plan", "rule", "currency", "window_starts_at")
FIGURES: Final = ("counted_minor", "reached_minor", "open_base_minor", "open_part_minor")
HOLD = adding(volume, KEY, FIGURES).returning(volume)
"""Adds nothing: it makes the row where it is missing, locks it, and answers what it says."""


@dataclass(frozen=True, slots=True)
class Held:
    """Volumes of one order's rules and currency, locked until the transaction ends; windows by rule."""

    plan: str
    currency: str
    windows: Mapping[str, datetime]
    volumes: Mapping[str, Volume]

    def changed(self, after: Mapping[str, Volume]) -> list[Changed]:
        """What to write once the order is counted."""
        return [
            Changed(volume, self._key(rule), {name: getattr(after[rule], name) for name in FIGURES})
            for rule in sorted(self.windows)
            if after[rule] != self.volumes[rule]
        ]

    def _key(self, rule: str) -> dict[str, object]:
        return dict(zip(KEY, (self.plan, rule, self.currency, self.windows[rule]), strict=True))


def window_starts_at(tiers: Tiers, at: datetime, schedules: Sequence[Schedule]) -> datetime:
    """When the window began that an instant falls into."""
    return window_of(tiers, at, period_at(at, schedules)).starts_at


async def held(
    session: MerchantSession,
    plan: str,
    rules: Iterable[Rule],
    currency: str,
    at: datetime,
    schedules: Sequence[Schedule],
) -> Held:
    """The volumes of those of the rules that have tiers, in the windows of a moment; no statement where none has."""
    tiers = {rule.name: rule.terms.tiers for rule in rules if rule.terms.tiers is not None}
    windows = {name: window_starts_at(each, at, schedules) for name, each in sorted(tiers.items())}
    if not windows:
        return Held(plan, currency, {}, {})
    rows = [
        {**dict(zip(KEY, (plan, rule, currency, starts_at), strict=True)), **dict.fromkeys(FIGURES, 0)}
        for rule, starts_at in windows.items()
    ]
    found = await session.execute(HOLD.values(rows))
    volumes = {row.rule: Volume(*(getattr(row, name) for name in FIGURES)) for row in found}
    return Held(plan, currency, windows, volumes)


async def book_true_up(
    session: MerchantSession, found: Order, true_up: TrueUp, window_starts_at: datetime, terms: Terms, act: Act
) -> int:
    """The order reached a step of retroactive tiers: book what that changes for the orders before it in the window."""
    tax_bps = next(rule.terms.commission_tax_bps for rule in terms.plan.rules if rule.name == true_up.rule)
    details: dict[str, Any] = {
        "number": found.number,
        "plan": terms.plan_name,
        "plan_version": terms.plan_version,
        "rule": true_up.rule,
        "window_starts_at": rfc3339(window_starts_at),
        "volume_minor": true_up.volume_minor,
        "booked_minor": true_up.booked_minor,
        "rate_bps": true_up.rate_bps,
        "commission_tax_bps": tax_bps,
    }
    entry = entries.tier_true_up(found.id, true_up, found.currency, occurred_at=act.at, details=details)
    return await ledger.book(session, entry, act, entries.platform_side(entry, earned=True))


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a refund takes of a line's base, and of the rate's part of its commission, under a rule with tiers."""

    plan: str
    plan_version: int
    rule: str
    base_minor: int
    part_minor: int
    bound: bool

    def row(self) -> list[Json]:
        """As an entry's details keep it."""
        return [self.plan, self.plan_version, self.rule, self.base_minor, self.part_minor, self.bound]


TiersOf = Mapping[tuple[str, int], Mapping[str, Tiers]]
"""The tiers of plan versions, by rule."""


async def lower(
    session: MerchantSession,
    taken: Sequence[TakenBack],
    tiers: TiersOf,
    currency: str,
    at: datetime,
    schedules: Sequence[Schedule],
) -> None:
    """Take refunds out of the volumes of the windows that they are booked in, as the tiers of their lines say."""
    for each in sorted(taken, key=lambda part: (part.plan, part.rule)):
        own = tiers[each.plan, each.plan_version][each.rule]
        key = dict(zip(KEY, (each.plan, each.rule, currency, window_starts_at(own, at, schedules)), strict=True))
        row = (await session.execute(HOLD, {**key, **dict.fromkeys(FIGURES, 0)})).one()
        before = Volume(*(getattr(row, name) for name in FIGURES))
        after = refunded(own, before, each.base_minor, each.part_minor, bound=each.bound)
        if after != before:
            await write(session, Changed(volume, key, {name: getattr(after, name) for name in FIGURES}))
