"""A plan run over orders of the past: what their commission would have been. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from merchantry.domain.commission import LineToRate, commissions
from merchantry.domain.plan import Plan
from merchantry.domain.tiers import Tiers, Volume

Window = Callable[[Tiers, datetime], datetime]
"""When the window began that a merchant's capture falls into."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Commission of orders as it was booked and as it would be, in minor units, charged to the merchant."""

    orders: int = 0
    booked_minor: int = 0
    proposed_minor: int = 0

    @property
    def change_minor(self) -> int:
        """More for the platform where positive, less where negative."""
        return self.proposed_minor - self.booked_minor

    def __add__(self, other: "Compared") -> "Compared":
        return Compared(
            self.orders + other.orders,
            self.booked_minor + other.booked_minor,
            self.proposed_minor + other.proposed_minor,
        )


@dataclass
class Replay:
    """One merchant's orders under a plan, shown in the order of capture; volumes are kept by rule, currency, window."""

    plan: Plan
    window: Window
    compared: dict[str, Compared] = field(default_factory=dict)
    _volumes: dict[tuple[str, str, datetime], Volume] = field(default_factory=dict)

    def add(self, lines: Sequence[LineToRate], at: datetime, booked_minor: int, *, counts: bool) -> None:
        """The next order. With ``counts`` it is one of those to compare; others only make volume."""
        currency = lines[0].currency
        rules = {
            rule.name: rule.terms.tiers
            for rule in (self.plan.rule_for(*_names(line)) for line in lines)
            if rule.terms.tiers is not None
        }
        keys = {name: (name, currency, self.window(tiers, at)) for name, tiers in rules.items()}
        volumes: Mapping[str, Volume] = {name: self._volumes.get(key, Volume()) for name, key in keys.items()}
        rated = commissions(self.plan, lines, volumes)
        self._volumes.update({key: rated.volumes[name] for name, key in keys.items()})
        proposed_minor = sum(line.commission_minor for line in rated.lines)
        proposed_minor += sum(each.amount_minor for each in rated.true_ups)
        if counts:
            held = self.compared.get(currency, Compared())
            self.compared[currency] = held + Compared(1, booked_minor, proposed_minor)

    def trued_up(self, currency: str, amount_minor: int) -> None:
        """A true-up that was booked beside an order to compare."""
        held = self.compared.get(currency, Compared())
        self.compared[currency] = replace(held, booked_minor=held.booked_minor + amount_minor)


def _names(line: LineToRate) -> tuple[str, str | None, str | None]:
    return line.merchant, line.merchant_category, line.product_category
