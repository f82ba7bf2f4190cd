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

PERIOD_DAYS = 7


def rounded(amount: Decimal) -> int:
    """Half away from zero."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@dataclass
class PlainOrder:
    """One merchant's order of one line."""

    id: UUID
    line_id: UUID
    quantity: int
    goods: int
    shipping: int
    status: str = "to_ship"
    shipped_at: datetime | None = None
    completed_at: datetime | None = None
    is_released: bool = False
    refunded_goods: int = 0
    refunded_shipping: int = 0
    refunded_pieces: int = 0

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

    def commission_back(self, goods: int) -> int:
        """What of the commission has come back once this much of the goods has."""
        return rounded(Decimal(self.commission) * goods / self.goods) if self.goods else 0


@dataclass
class PlainPayout:
    """Money on its way."""

    amount: int
    status: str = "planned"


@dataclass
class PlainMerchant:
    """A merchant's books; only what must be known to predict every balance."""

    id: UUID
    orders: dict[UUID, PlainOrder] = field(default_factory=dict)
    payouts: dict[UUID, PlainPayout] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    can_be_paid: bool = True
    changes: list[tuple[datetime, int]] = field(default_factory=list)
    """What changed the available balance, and when."""

    closed: int = 0
    """How many of them statements have claimed."""

    statements: int = 0

    def move(self, debited: str, credited: str, amount: int, at: datetime | None = None) -> None:
        """Money goes from one account to another."""
        self.accounts[debited] -= amount
        self.accounts[credited] += amount
        for account, change in ((debited, -amount), (credited, amount)):
            if account == "merchant_available":
                if at is None:
                    raise AssertionError("a change of the available balance has a moment")
                self.changes.append((at, change))

    def capture(self, order: PlainOrder) -> None:
        """The buyer has paid."""
        self.orders[order.id] = order
        self.move("buyer_funds", "merchant_pending", order.paid)
        self.move("merchant_pending", "platform_commission", order.commission)

    def side(self, order: PlainOrder) -> str:
        """Where the merchant's part of an order is."""
        return "merchant_available" if order.is_released else "merchant_pending"

    def release(self, order: PlainOrder, at: datetime) -> None:
        """The hold is over: what is left of the merchant's part is available."""
        kept = order.commission - order.commission_back(order.refunded_goods)
        self.move("merchant_pending", "merchant_available", order.left - kept, at)
        order.is_released = True

    def refund(self, order: PlainOrder, goods: int, shipping: int, at: datetime) -> None:
        """Money is owed back, the merchant's part first taken from where it is."""
        back = order.commission_back(order.refunded_goods + goods) - order.commission_back(order.refunded_goods)
        order.refunded_goods += goods
        order.refunded_shipping += shipping
        self.move(self.side(order), "refunds", goods + shipping, at)
        self.move("platform_commission", self.side(order), back, at)

    def refund_asked(self, order: PlainOrder, pieces: int, shipping: int, goodwill: int, at: datetime) -> bool:
        """Pieces, shipping and goodwill, shared by what is left of goods and shipping; False where it does not fit."""
        if pieces > order.pieces_left or order.status not in ("to_ship", "shipped", "completed"):
            return False
        goods = order.worth(pieces)
        goods_left = order.goods - order.refunded_goods - goods
        shipping_left = order.shipping - order.refunded_shipping - shipping
        if shipping_left < 0 or goodwill > goods_left + shipping_left or goods + shipping + goodwill == 0:
            return False
        if goodwill:
            of_goods = goodwill * goods_left // (goods_left + shipping_left)
            of_shipping = goodwill * shipping_left // (goods_left + shipping_left)
            # What flooring leaves over goes to the goods first.
            left_over = goodwill - of_goods - of_shipping
            of_goods += left_over if goods_left else 0
            goods, shipping = goods + of_goods, goodwill - of_goods + shipping
        self.refund(order, goods, shipping, at)
        order.refunded_pieces += pieces
        if not order.left and (order.status != "to_ship" or not order.pieces_left):
            order.status = "refunded"
        return True

    def close(self, boundary: datetime) -> int:
        """The week that ends here is closed where anything happened in it; returns what is paid out of it."""
        self.changes.sort(key=lambda change: change[0])
        before = [amount for at, amount in self.changes if at < boundary]
        if len(before) == self.closed:
            return 0
        self.closed = len(before)
        self.statements += 1
        payable = min(sum(before), self.accounts["merchant_available"])
        if payable <= 0 or not self.can_be_paid:
            return 0
        self.move("merchant_available", "in_payout", payable, boundary)
        return payable

    def balances(self) -> dict[str, int]:
        """Those that are not zero."""
        return {account: amount for account, amount in self.accounts.items() if amount}
