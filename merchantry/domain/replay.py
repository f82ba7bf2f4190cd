"""A plan run over orders of the past: what their commission would have been, before and after refunds. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from merchantry.domain.commission import LineToRate
from merchantry.domain.line_split import LineSplit
from merchantry.domain.plan import Plan
from merchantry.domain.reversal import Refunded, Reversal, reverse
from merchantry.domain.split import divide_order
from merchantry.domain.tier_refund import LastTrueUp, TakenBack, TieredLine, lowered, owed, owed_again, taken_out
from merchantry.domain.tiers import Tiers, Volume

Window = Callable[[Tiers, datetime], datetime]
"""When the window began that a merchant's capture falls into."""

Lines = Sequence[tuple[UUID, LineToRate]]
Key = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class Compared:
    """Commission of orders as it was booked and as it would be, in minor units, charged to the merchant.

    What refunds of these orders returned, less what they took back of true-ups, stands beside it.
    """

    orders: int = 0
    booked_minor: int = 0
    proposed_minor: int = 0
    booked_returned_minor: int = 0
    proposed_returned_minor: int = 0

    @property
    def change_minor(self) -> int:
        """More for the platform where positive, less where negative; before refunds."""
        return self.proposed_minor - self.booked_minor

    @property
    def net_change_minor(self) -> int:
        """The same after refunds."""
        return self.change_minor - self.proposed_returned_minor + self.booked_returned_minor

    def __add__(self, other: "Compared") -> "Compared":
        return Compared(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Undone:
    """A refund or chargeback of an order: what of its lines went back, and the commission that was booked as returned.

    None stands for all that is left. `by` names it; where one is undone, that names it again with `is_undone`.
    """

    order_id: UUID
    by: int
    at: datetime
    refunded: Mapping[UUID, Refunded] | None
    returned_minor: int
    is_undone: bool = False


@dataclass
class _Kept:
    """An order that refunds will be about: its lines under the plan, and what was refunded of them."""

    number: int
    at: datetime
    currency: str
    lines: dict[UUID, LineSplit]
    counts: bool
    refunded: dict[UUID, Refunded] = field(default_factory=dict)


@dataclass
class Replay:
    """One merchant's orders under a plan, shown in the order of capture; volumes are kept by rule, currency, window."""

    plan: Plan
    window: Window
    compared: dict[str, Compared] = field(default_factory=dict)
    _volumes: dict[Key, Volume] = field(default_factory=dict)
    _last: dict[Key, tuple[int, LastTrueUp]] = field(default_factory=dict)
    _kept: dict[UUID, _Kept] = field(default_factory=dict)
    _lowered: dict[tuple[int, UUID], int] = field(default_factory=dict)
    _shown: int = 0

    def add(
        self, order_id: UUID, lines: Lines, at: datetime, booked_minor: int, *, counts: bool, has_refunds: bool = False
    ) -> None:
        """The next order. With ``counts`` it is one of those to compare; others only make volume."""
        self._shown += 1
        currency = lines[0][1].currency
        keys = {name: (name, currency, self.window(tiers, at)) for name, tiers in self._tiers(lines).items()}
        volumes: Mapping[str, Volume] = {name: self._volumes.get(key, Volume()) for name, key in keys.items()}
        found = divide_order(self.plan, lines, volumes, with_payment_fee=False)
        self._volumes.update({key: found.commission.volumes[name] for name, key in keys.items()})
        proposed_minor = found.split.charged_minor
        for each in found.commission.true_ups:
            self._last[keys[each.rule]] = (self._shown, LastTrueUp(each.rate_bps, 0))
            proposed_minor += each.amount_minor
        if counts:
            self._count(currency, Compared(1, booked_minor, proposed_minor))
        if has_refunds:
            by_line = {line.id: line for line in found.split.lines}
            self._kept[order_id] = _Kept(self._shown, at, currency, by_line, counts)

    def know(self, order_id: UUID, lines: Lines, at: datetime) -> None:
        """An order from before all that is shown, of which something is refunded: it is not compared, nor was it ever
        in a volume; but its refund may lower one."""
        if order_id not in self._kept:
            found = divide_order(self.plan, lines, with_payment_fee=False).split
            self._kept[order_id] = _Kept(0, at, found.currency, {line.id: line for line in found.lines}, False)

    def trued_up(self, currency: str, amount_minor: int) -> None:
        """A true-up that was booked beside an order to compare."""
        self._count(currency, Compared(booked_minor=amount_minor))

    def refund(self, undone: Undone) -> None:
        """The next refund or chargeback, or one that is undone, of an order that was kept or is known."""
        kept = self._kept[undone.order_id]
        asked = self._left(kept) if undone.refunded is None else undone.refunded
        sign = -1 if undone.is_undone else 1
        returned_minor = 0
        for line_id, refunded in asked.items():
            line, so_far = kept.lines[line_id], kept.refunded.get(line_id, Refunded())
            before = _less(so_far, refunded) if undone.is_undone else so_far
            reversal = reverse(kept.currency, line, before, refunded)
            kept.refunded[line_id] = before if undone.is_undone else before + refunded
            owed_minor = self._out_of_volume(kept, line, before, reversal, undone)
            returned_minor += sign * reversal.returned_minor - owed_minor
        if kept.counts:
            returned = Compared(booked_returned_minor=undone.returned_minor, proposed_returned_minor=returned_minor)
            self._count(kept.currency, returned)

    def taken_back(self, order_id: UUID, amount_minor: int) -> None:
        """What was booked as taken back of true-ups, beside a refund of the order."""
        kept = self._kept.get(order_id)
        if kept is not None and kept.counts:
            self._count(kept.currency, Compared(booked_returned_minor=-amount_minor))

    def _out_of_volume(self, kept: _Kept, line: LineSplit, before: Refunded, reversal: Reversal, undone: Undone) -> int:
        rated = line.commission
        tiers = self._tiers_of(rated.rule)
        if tiers is None:
            return 0
        so_far = reverse(kept.currency, line, Refunded(), before).base_minor if before.total_minor else 0
        part = TieredLine(
            line.id, "", 0, rated.rule, rated.bound != "none", rated.rate_bps, so_far,
            reversal.base_minor, reversal.rate_part_minor,
        )  # fmt: skip
        own = (rated.rule, kept.currency, self.window(tiers, kept.at))
        number, last = self._last.get(own, (0, None))
        after = last if kept.number and number >= kept.number else None
        window = self._volumes.get(own, Volume())
        sign, how = (-1, owed_again) if undone.is_undone else (1, owed)
        owed_minor, _ = how(window, part, after)
        base, rate_part = (0, 0) if part.bound else (sign * part.base_minor, sign * part.part_minor)
        if kept.number:
            taken = TakenBack(line.id, "", 0, rated.rule, "", base, rate_part, 0, owed_minor, 0, 0)
            self._volumes[own] = taken_out(window, taken)
        if tiers.refunds_lower_volume:
            self._lower((rated.rule, kept.currency, self.window(tiers, undone.at)), tiers, part, undone)
        return owed_minor

    def _lower(self, key: Key, tiers: Tiers, part: TieredLine, undone: Undone) -> None:
        window = self._volumes.get(key, Volume())
        if undone.is_undone:
            less_minor = -self._lowered.pop((undone.by, part.line_id), 0)
        else:
            less_minor = lowered(tiers, window, part.base_minor)
            self._lowered[undone.by, part.line_id] = less_minor
        self._volumes[key] = replace(window, counted_minor=window.counted_minor - less_minor)

    def _left(self, kept: _Kept) -> dict[UUID, Refunded]:
        return {
            line_id: _less(
                Refunded(line.amounts.paid_goods_minor, line.amounts.paid_shipping_minor),
                kept.refunded.get(line_id, Refunded()),
            )
            for line_id, line in kept.lines.items()
        }

    def _count(self, currency: str, more: Compared) -> None:
        self.compared[currency] = self.compared.get(currency, Compared()) + more

    def _tiers(self, lines: Lines) -> dict[str, Tiers]:
        rules = (self.plan.rule_for(*_names(line)) for _, line in lines)
        return {rule.name: rule.terms.tiers for rule in rules if rule.terms.tiers is not None}

    def _tiers_of(self, name: str) -> Tiers | None:
        return next(rule.terms.tiers for rule in self.plan.rules if rule.name == name)


def _less(refunded: Refunded, part: Refunded) -> Refunded:
    return Refunded(refunded.goods_minor - part.goods_minor, refunded.shipping_minor - part.shipping_minor)


def _names(line: LineToRate) -> tuple[str, str | None, str | None]:
    return line.merchant, line.merchant_category, line.product_category
