"""What a merchant has sold under rules with tiers: counted one order at a time, in the order of capture.

Rows are locked in the order of rule and window, after the order and before the ledger's counter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.canonical import rfc3339
from merchantry.domain.plan import Rule
from merchantry.domain.seller import SellerOfRecord, terms_for
from merchantry.domain.settlement import Schedule, period_at
from merchantry.domain.tiers import Tiers, TrueUp, Volume, window_of
from merchantry.services import ledger
from merchantry.services.order import Order
from merchantry.services.terms import Terms
from merchantry.tables.merchant import volume
from merchantry.tables.upsert import adding
from tenancy.database import MerchantSession
from tenancy.writes import Changed

KEY: Final = ("plan", "rule", "currency", "window_starts_at", "seller_of_record")
FIGURES: Final = tuple(Volume.__slots__)
HOLD = adding(volume, KEY, FIGURES).returning(volume)
"""Adds nothing: it makes the row where it is missing, locks it, and answers what it says."""


@dataclass(frozen=True, slots=True)
class Held:
    """Volumes of one order's rules and currency, locked until the transaction ends; windows by rule."""

    plan: str
    currency: str
    seller: SellerOfRecord
    windows: Mapping[str, datetime]
    volumes: Mapping[str, Volume]

    def changed(self, after: Mapping[str, Volume], trued_up: Mapping[str, int]) -> list[Changed]:
        """What to write once the order is counted; `trued_up` are the entries of its true-ups by rule."""
        after = {
            rule: replace(each, trued_up_seq=trued_up.get(rule, each.trued_up_seq)) for rule, each in after.items()
        }
        return [
            Changed(volume, self._key(rule), {name: getattr(after[rule], name) for name in FIGURES})
            for rule in sorted(self.windows)
            if after[rule] != self.volumes[rule]
        ]

    def _key(self, rule: str) -> dict[str, object]:
        return dict(zip(KEY, (self.plan, rule, self.currency, self.windows[rule], self.seller), strict=True))


def window_starts_at(tiers: Tiers, at: datetime, schedules: Sequence[Schedule]) -> datetime:
    """When the window began that an instant falls into."""
    return window_of(tiers, at, period_at(at, schedules)).starts_at


async def held(
    session: MerchantSession,
    plan: str,
    rules: Iterable[Rule],
    order: Order,
    at: datetime,
    schedules: Sequence[Schedule],
) -> Held:
    """The volumes of those of the rules that have tiers, in the windows of a moment; no statement where none has.

    What the platform bought and what the merchant sold itself are counted apart: a true-up is of one of the two.
    """
    tiers = {rule.name: rule.terms.tiers for rule in rules if rule.terms.tiers is not None}
    windows = {name: window_starts_at(each, at, schedules) for name, each in sorted(tiers.items())}
    if not windows:
        return Held(plan, order.currency, order.seller, {}, {})
    rows = [
        {
            **dict(zip(KEY, (plan, rule, order.currency, starts_at, order.seller), strict=True)),
            **dict.fromkeys(FIGURES, 0),
        }
        for rule, starts_at in windows.items()
    ]
    found = await session.execute(HOLD.values(rows))
    volumes = {row.rule: Volume(*(getattr(row, name) for name in FIGURES)) for row in found}
    return Held(plan, order.currency, order.seller, windows, volumes)


async def book_true_up(
    session: MerchantSession, found: Order, true_up: TrueUp, window_starts_at: datetime, terms: Terms, act: Act
) -> int:
    """The order reached a step of retroactive tiers: book what that changes for the orders before it in the window."""
    plan = terms_for(found.seller, terms.plan)
    tax_bps = next(rule.terms.commission_tax_bps for rule in plan.rules if rule.name == true_up.rule)
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
    entry = entries.tier_true_up(
        found.id, true_up, found.currency, seller=found.seller, occurred_at=act.at, details=details
    )
    return await ledger.book(session, entry, act, entries.platform_side(entry, earned=True))
