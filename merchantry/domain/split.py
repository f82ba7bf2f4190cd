"""The split of one order: who gets how much of what its buyer paid, line by line and to the minor unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from merchantry.domain.commission import LineCommission
from merchantry.domain.money import allocate, digits


@dataclass(frozen=True, slots=True)
class LineToSplit:
    """A line as it was paid: its goods after quantity, its share of the order's shipping, its commission."""

    id: UUID
    goods_minor: int
    shipping_minor: int
    commission: LineCommission


@dataclass(frozen=True, slots=True)
class LineSplit:
    """A line's money divided: gross = goods + shipping = commission + merchant."""

    id: UUID
    goods_minor: int
    shipping_minor: int
    gross_minor: int
    commission: LineCommission
    commission_minor: int
    merchant_minor: int

    def __post_init__(self) -> None:
        _check_parts(self)


@dataclass(frozen=True, slots=True)
class OrderSplit:
    """An order's money divided, with its lines; each figure is the sum of the lines' figures."""

    currency: str
    gross_minor: int
    goods_minor: int
    shipping_minor: int
    commission_minor: int
    merchant_minor: int
    lines: tuple[LineSplit, ...]

    def __post_init__(self) -> None:
        digits(self.currency)
        _check_parts(self)
        for name in ("gross_minor", "goods_minor", "shipping_minor", "commission_minor", "merchant_minor"):
            if getattr(self, name) != sum(getattr(line, name) for line in self.lines):
                raise ValueError(f"The order's {name} is not the sum of its lines'")


def allocate_shipping(shipping_minor: int, goods_minor: Sequence[int]) -> list[int]:
    """An order's shipping shared among its lines in proportion to their goods, exact; evenly where all are free."""
    return allocate(shipping_minor, goods_minor)


def split_order(currency: str, lines: Sequence[LineToSplit]) -> OrderSplit:
    """Divide an order between merchant and platform: the commission first, the merchant gets the rest.

    Raises ValueError where a line's figures can't be (negative, or more commission than money).
    """
    if not lines:
        raise ValueError("An order has at least one line")
    parts = tuple(_split_line(line) for line in lines)
    return OrderSplit(
        currency=currency,
        gross_minor=sum(part.gross_minor for part in parts),
        goods_minor=sum(part.goods_minor for part in parts),
        shipping_minor=sum(part.shipping_minor for part in parts),
        commission_minor=sum(part.commission_minor for part in parts),
        merchant_minor=sum(part.merchant_minor for part in parts),
        lines=parts,
    )


def _split_line(line: LineToSplit) -> LineSplit:
    gross_minor = line.goods_minor + line.shipping_minor
    commission_minor = line.commission.commission_minor
    return LineSplit(
        id=line.id,
        goods_minor=line.goods_minor,
        shipping_minor=line.shipping_minor,
        gross_minor=gross_minor,
        commission=line.commission,
        commission_minor=commission_minor,
        merchant_minor=gross_minor - commission_minor,
    )


def _check_parts(part: LineSplit | OrderSplit) -> None:
    """Both sides of a split are the same money, and nobody's part is negative."""
    if part.gross_minor != part.goods_minor + part.shipping_minor:
        raise ValueError("The gross amount is not goods and shipping together")
    if part.gross_minor != part.commission_minor + part.merchant_minor:
        raise ValueError("The gross amount is not commission and merchant's part together")
    if min(part.goods_minor, part.shipping_minor, part.commission_minor, part.merchant_minor) < 0:
        raise ValueError("No part of a split is negative")
