"""The mall in plain Python: what everybody's balance must be, told from the story alone. It shares no code with what it
is compared with; amounts are Decimals of whole minor units."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

RATE = Decimal("0.125")
HOLD = timedelta(days=2)
COMPLETES_AFTER = timedelta(days=30)
"""From shipping, where nobody says anything."""

REFUNDABLE = ("to_ship", "shipped", "completed")
ENDED = ("refunded", "cancelled")


def rounded(amount: Decimal) -> int:
    """Half away from zero."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@dataclass(eq=False)
class PlainOrder:
    """One merchant's order of one line."""

    id: UUID
    line_id: UUID
    quantity: int
    goods: int
    shipping: int
    status: str = "to_ship"
    shipped_at: datetime | None = None
    hold_ends_at: datetime | None = None
    stopped_at: datetime | None = None
    """Since when the hold's clock stands still."""

    open_disputes: int = 0
    is_released: bool = False
    refunded_goods: int = 0
    refunded_shipping: int = 0
    refunded_pieces: int = 0
    refunded: int = 0
    """By refunds alone, without what banks took."""

    @property
    def commission(self) -> int:
        """Of the goods alone."""
        return rounded(self.goods * RATE)

    @property
    def paid(self) -> int:
        """By the buyer."""
        return self.goods + self.shipping

    @property
    def left(self) -> int:
        """What can still be refunded."""
        return self.paid - self.refunded_goods - self.refunded_shipping

    @property
    def pieces_left(self) -> int:
        """Not refunded yet."""
        return self.quantity - self.refunded_pieces

    def worth(self, pieces: int) -> int:
        """Of the next pieces: each costs the same but for rounding, and no more than is left of the goods."""
        to_here = rounded(Decimal(self.goods) * (self.refunded_pieces + pieces) / self.quantity)
        before = rounded(Decimal(self.goods) * self.refunded_pieces / self.quantity)
        return min(to_here - before, self.goods - self.refunded_goods)

    def shares(self, amount: int, goods: int = 0, shipping: int = 0) -> tuple[int, int]:
        """An amount without goods, by what these leave of goods and shipping; the goods get what flooring leaves."""
        goods_left = self.goods - self.refunded_goods - goods
        whole = self.left - goods - shipping
        if not amount:
            return goods, shipping
        of_goods = amount * goods_left // whole
        of_shipping = amount * (whole - goods_left) // whole
        of_goods += (amount - of_goods - of_shipping) if goods_left else 0
        return goods + of_goods, shipping + amount - of_goods

    def commission_back(self, goods: int) -> int:
        """What of the commission has come back once this much of the goods has."""
        return rounded(Decimal(self.commission) * goods / self.goods) if self.goods else 0

    def complete(self, at: datetime) -> None:
        """The hold begins; its clock stands still from the beginning where somebody disputes the sale."""
        self.status, self.hold_ends_at = "completed", at + HOLD
        self.stopped_at = at if self.open_disputes else None

    def dispute(self, at: datetime) -> None:
        """The clock stands still."""
        self.open_disputes += 1
        if self.hold_ends_at is not None and not self.is_released and self.stopped_at is None:
            self.stopped_at = at

    def end_dispute(self, at: datetime) -> None:
        """After the last, the hold ends later by as long as its clock stood still."""
        self.open_disputes -= 1
        if not self.open_disputes and self.stopped_at is not None and self.hold_ends_at is not None:
            self.hold_ends_at += at - self.stopped_at
            self.stopped_at = None


@dataclass(eq=False)
class PlainPayout:
    """Money on its way."""

    amount: int
    status: str = "planned"


@dataclass(eq=False)
class PlainMerchant:
    """A merchant's books; only what must be known to predict every balance."""

    id: UUID
    orders: dict[UUID, PlainOrder] = field(default_factory=dict)
    payouts: dict[UUID, PlainPayout] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    can_be_paid: bool = True
    write_off: int = 0
    """What two people are asked to write off."""

    changes: list[tuple[datetime, int]] = field(default_factory=list)
    """What changed the available balance, and when."""

    closed: int = 0
    """How many of them statements have claimed."""

    closed_until: datetime | None = None
    statements: int = 0

    @property
    def available(self) -> int:
        """What could be paid now; below zero it is owed."""
        return self.accounts["merchant_available"]

    def book(self, changes: dict[str, int], at: datetime, *, is_release: bool = False) -> None:
        """Accounts change together, to a sum of zero. A change of what is available has to be claimed."""
        if sum(changes.values()):
            raise AssertionError(f"an entry sums to zero: {changes}")
        self.accounts.update(changes)
        available = changes.get("merchant_available", 0)
        if available or is_release:
            self.changes.append((at, available))

    def move(self, debited: str, credited: str, amount: int, at: datetime) -> None:
        """Money goes from one account to another."""
        self.book({debited: -amount, credited: amount}, at)

    def capture(self, order: PlainOrder, at: datetime) -> None:
        """The buyer has paid."""
        self.orders[order.id] = order
        kept = order.paid - order.commission
        self.book(
            {"buyer_funds": -order.paid, "merchant_pending": kept, "platform_commission": order.commission},
            at,
        )

    def side(self, order: PlainOrder) -> str:
        """Where the merchant's part of an order is."""
        return "merchant_available" if order.is_released else "merchant_pending"

    def release(self, order: PlainOrder, at: datetime) -> None:
        """The hold is over: what is left of the merchant's part is available."""
        kept = order.left - (order.commission - order.commission_back(order.refunded_goods))
        self.book({"merchant_pending": -kept, "merchant_available": kept}, at, is_release=True)
        order.is_released = True

    def take_back(self, order: PlainOrder, goods: int, shipping: int, to: dict[str, int], at: datetime) -> None:
        """A part of the sale goes to ``to`` (with whatever else changes), or comes from there again below zero."""
        before = order.commission_back(order.refunded_goods)
        order.refunded_goods += goods
        order.refunded_shipping += shipping
        back = order.commission_back(order.refunded_goods) - before
        changes = Counter(to)
        changes[self.side(order)] += back - goods - shipping
        changes["platform_commission"] -= back
        self.book(changes, at)

    def refund(self, order: PlainOrder, goods: int, shipping: int, at: datetime) -> None:
        """Money is owed back, the merchant's part first taken from where it is."""
        self.take_back(order, goods, shipping, {"refunds": goods + shipping}, at)
        order.refunded += goods + shipping

    def refund_everything(self, order: PlainOrder, at: datetime, status: str = "refunded") -> None:
        """All that is left."""
        goods, shipping = order.goods - order.refunded_goods, order.shipping - order.refunded_shipping
        self.refund(order, goods, shipping, at)
        order.refunded_pieces, order.status = order.quantity, status

    def refund_asked(self, order: PlainOrder, pieces: int, shipping: int, goodwill: int, at: datetime) -> bool:
        """Pieces, shipping and goodwill, shared by what is left of goods and shipping; False where it does not fit."""
        if pieces > order.pieces_left or order.status not in REFUNDABLE:
            return False
        goods = order.worth(pieces)
        shipping_left = order.shipping - order.refunded_shipping - shipping
        if shipping_left < 0 or goodwill > order.left - goods - shipping or goods + shipping + goodwill == 0:
            return False
        self.refund(order, *order.shares(goodwill, goods, shipping), at)
        order.refunded_pieces += pieces
        if not order.left and (order.status != "to_ship" or not order.pieces_left):
            order.status = "refunded"
        elif order.status != "completed" and not order.pieces_left:
            order.complete(at)
        return True

    def close(self, boundary: datetime) -> int:
        """The week that ends here is closed where anything happened in it; returns what is paid out of it."""
        self.changes.sort(key=lambda change: change[0])
        before = sum(at < boundary for at, _ in self.changes)
        return self._state(before, boundary) if before > self.closed else 0

    def pay_what_was_carried(self, boundary: datetime) -> int:
        """A balance that could not be paid when its week ended is paid with the last week that has ended."""
        closing = sum(amount for _, amount in self.changes[: self.closed])
        is_older = self.closed_until is not None and self.closed_until < boundary
        if is_older and min(closing, self.available) > 0 and self.can_be_paid:
            return self._state(self.closed, boundary)
        return 0

    def _state(self, claimed: int, boundary: datetime) -> int:
        self.closed, self.closed_until = claimed, boundary
        self.statements += 1
        payable = min(sum(amount for _, amount in self.changes[:claimed]), self.available)
        if payable <= 0 or not self.can_be_paid:
            return 0
        self.move("merchant_available", "in_payout", payable, boundary)
        return payable

    def balances(self) -> dict[str, int]:
        """Those that are not zero."""
        return {account: amount for account, amount in self.accounts.items() if amount}
