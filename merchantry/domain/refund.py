"""What a refund is for and what it comes to: lines, pieces and shipping turned into amounts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from merchantry.domain.errors import InvalidInput, InvalidQuantity, NotFound, QuantityRefused, RefundTooLarge
from merchantry.domain.line_split import LineSplit
from merchantry.domain.money import allocate, half_up
from merchantry.domain.order import LineState, RefundedPieces
from merchantry.domain.reversal import Refunded, Reversal, reverse


class RefundKind(StrEnum):
    """Why money goes back. CHARGEBACK: the buyer's bank took it; nothing is sent."""

    CANCELLATION = "cancellation"
    REFUND = "refund"
    RETURN = "return"
    CHARGEBACK = "chargeback"


@dataclass(frozen=True, slots=True)
class RefundLine:
    """A line as far as refunds are concerned: its frozen split, its pieces, and what was refunded of it before.

    `fee_change_minor` is what the provider's real fee came to beyond the one in the split, where the merchant bears it.
    """

    split: LineSplit
    state: LineState
    before: Refunded = field(default_factory=Refunded)
    fee_change_minor: int = 0

    @property
    def id(self) -> UUID:
        """The order line's."""
        return self.split.id

    @property
    def left(self) -> Refunded:
        """What can still be refunded of what was paid for goods and shipping."""
        paid = self.split.amounts
        return Refunded(
            paid.paid_goods_minor - self.before.goods_minor, paid.paid_shipping_minor - self.before.shipping_minor
        )

    @property
    def pieces_left(self) -> int:
        """How many pieces have not been refunded."""
        return self.state.quantity - self.state.refunded

    def worth_of(self, quantity: int) -> int:
        """What was paid for so many pieces, after those that were refunded before, in minor units.

        The k-th piece is worth share(k) - share(k - 1), so that all pieces together are the line to the minor unit; no
        more than is left where an amount without goods was refunded before.
        """
        paid_minor, before, pieces = self.split.amounts.paid_goods_minor, self.state.refunded, self.state.quantity
        share_minor = half_up(paid_minor * (before + quantity), pieces) - half_up(paid_minor * before, pieces)
        return min(share_minor, self.left.goods_minor)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be refunded: pieces by line, shipping, and an amount for nothing in particular (goodwill).

    `are_back` says that the pieces were with the buyer and came back; otherwise those that have not shipped are taken
    first.
    """

    quantities: Mapping[UUID, int] = field(default_factory=dict)
    shipping_minor: int = 0
    goodwill_minor: int = 0
    are_back: bool = False


@dataclass(frozen=True, slots=True)
class RefundPart:
    """A refund's part of one line, and what it takes back from each party."""

    line: RefundLine
    pieces: RefundedPieces
    refunded: Refunded
    reversal: Reversal

    @property
    def is_something(self) -> bool:
        """Whether the refund touches the line."""
        return bool(self.pieces.quantity or self.refunded.total_minor)


def everything(lines: Sequence[RefundLine]) -> Asked:
    """All pieces and all money that is left."""
    return Asked(
        {line.id: line.pieces_left for line in lines if line.pieces_left},
        sum(line.left.shipping_minor for line in lines),
        sum(line.left.goods_minor - line.worth_of(line.pieces_left) for line in lines),
    )


def refundable(lines: Sequence[RefundLine]) -> int:
    """What can be refunded at most, in minor units."""
    return sum(line.left.total_minor for line in lines)


def divide(currency: str, lines: Sequence[RefundLine], asked: Asked) -> tuple[RefundPart, ...]:
    """What a refund comes to, line by line; the lines that it does not touch are left out.

    Shipping and goodwill are shared among the lines by what is left of each. Raises RefundTooLarge, NotFound for a line
    that is not the order's, InvalidQuantity, QuantityRefused for more pieces than are left, InvalidInput for nothing.
    """
    pieces = _pieces(lines, asked)
    goods = [line.worth_of(each.quantity) for line, each in zip(lines, pieces, strict=True)]
    shipping = _shared(currency, asked.shipping_minor, [line.left.shipping_minor for line in lines])
    goods_left = [line.left.goods_minor - minor for line, minor in zip(lines, goods, strict=True)]
    shipping_left = [line.left.shipping_minor - minor for line, minor in zip(lines, shipping, strict=True)]
    goodwill = _shared(currency, asked.goodwill_minor, [*goods_left, *shipping_left])
    parts = []
    for at, line in enumerate(lines):
        refunded = Refunded(goods[at] + goodwill[at], shipping[at] + goodwill[len(lines) + at])
        parts.append(RefundPart(line, pieces[at], refunded, _reversal(currency, line, pieces[at], refunded)))
    touched = tuple(part for part in parts if part.is_something)
    if not touched:
        raise InvalidInput(reason="Nothing is asked for; name pieces, shipping or an amount.")
    return touched


def is_whole(lines: Sequence[RefundLine], parts: Sequence[RefundPart]) -> bool:
    """Whether nothing is left after it: no money, no piece that waits to be shipped, none that nothing was paid for."""
    by_line = {part.line.id: part for part in parts}
    for line in lines:
        part = by_line.get(line.id)
        pieces, refunded = (part.pieces, part.refunded) if part else (RefundedPieces(), Refunded())
        is_open = line.state.to_ship > pieces.cancelled
        is_free = not line.split.paid_minor and line.pieces_left > pieces.quantity
        if is_open or is_free or line.left != refunded:
            return False
    return True


def total_of(parts: Sequence[RefundPart]) -> Reversal:
    """What all parts take back together."""
    names = [name for name in Reversal.__slots__ if name != "shares"]
    return Reversal(
        **{name: sum(getattr(part.reversal, name) for part in parts) for name in names},
        shares=tuple(share for part in parts for share in part.reversal.shares),
    )


def _pieces(lines: Sequence[RefundLine], asked: Asked) -> list[RefundedPieces]:
    known = {line.id: line for line in lines}
    for line_id, quantity in asked.quantities.items():
        if line_id not in known:
            raise NotFound(what="order line")
        if quantity < 1:
            raise InvalidQuantity(quantity=quantity)
        line = known[line_id]
        most = line.state.with_buyer if asked.are_back else line.pieces_left
        if quantity > most:
            raise QuantityRefused(line_id=line_id, asked=quantity, open=most)
    return [_taken(line, asked.quantities.get(line.id, 0), asked.are_back) for line in lines]


def _taken(line: RefundLine, quantity: int, are_back: bool) -> RefundedPieces:
    return RefundedPieces(quantity, 0 if are_back else min(quantity, line.state.to_ship))


def _shared(currency: str, amount_minor: int, left: Sequence[int]) -> list[int]:
    """An amount shared by what is left, which no share exceeds. Raises RefundTooLarge, InvalidInput below zero."""
    if amount_minor < 0:
        raise InvalidInput(reason="A refund has no negative amounts.", path=("amount",))
    if amount_minor > sum(left):
        raise RefundTooLarge(refundable_minor=sum(left), currency=currency)
    return allocate(amount_minor, left) if amount_minor else [0] * len(left)


def _reversal(currency: str, line: RefundLine, pieces: RefundedPieces, refunded: Refunded) -> Reversal:
    """A line for which nothing was paid is reversed whole, once, with its last piece."""
    if not line.split.paid_minor and (not pieces.quantity or pieces.quantity < line.pieces_left):
        return NOTHING
    return reverse(currency, line.split, line.before, refunded, fee_change_minor=line.fee_change_minor)


NOTHING = Reversal(
    refund_minor=0,
    subsidy_minor=0,
    merchant_minor=0,
    commission_minor=0,
    commission_tax_minor=0,
    payment_fee_minor=0,
    sales_tax_minor=0,
    shares=(),
    base_minor=0,
    rate_part_minor=0,
)
