"""The split of one order: who gets how much of what its buyer paid, line by line and to the minor unit.

For every line and order: paid + subsidy = gross = merchant + commission + commission tax + payment fee + sales tax that
the platform remits + beneficiaries' shares. No part is negative: each takes in that order of what is left, sales tax
first and the merchant last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from merchantry.domain.beneficiary import Beneficiary, ShareOf, shares
from merchantry.domain.commission import LineToRate, OrderCommission, commissions
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.line_commission import LineCommission
from merchantry.domain.line_split import LineSplit, check_parts
from merchantry.domain.money import allocate, digits
from merchantry.domain.payment_fee import FeeBearer, PaymentFee, estimated_fees
from merchantry.domain.plan import Plan
from merchantry.domain.tax import LineTax
from merchantry.domain.tiers import Volume

__all__ = [
    "Division",
    "LineSplit",
    "LineToSplit",
    "OrderSplit",
    "allocate_shipping",
    "divide_order",
    "split_order",
]


@dataclass(frozen=True, slots=True)
class LineToSplit:
    """A line as it was sold (amounts as in `LineAmounts`), its commission, and who else has part in it."""

    id: UUID
    goods_minor: int
    shipping_minor: int
    commission: LineCommission
    discount_merchant_minor: int = 0
    discount_platform_minor: int = 0
    tax: LineTax | None = None
    payment_fee: PaymentFee | None = None
    beneficiaries: tuple[Beneficiary, ...] = ()

    @property
    def amounts(self) -> LineAmounts:
        """Its price and what follows from it. Raises ValueError for amounts that can't be."""
        return LineAmounts(
            self.goods_minor,
            self.shipping_minor,
            self.discount_merchant_minor,
            self.discount_platform_minor,
            self.tax,
        )


_SUMS: Final = (
    "gross_minor",
    "goods_minor",
    "shipping_minor",
    "commission_minor",
    "merchant_minor",
    "discount_merchant_minor",
    "subsidy_minor",
    "added_tax_minor",
    "sales_tax_minor",
    "commission_tax_minor",
    "payment_fee_minor",
    "platform_fee_minor",
    "shares_minor",
)


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
    discount_merchant_minor: int = 0
    subsidy_minor: int = 0
    added_tax_minor: int = 0
    sales_tax_minor: int = 0
    commission_tax_minor: int = 0
    payment_fee_minor: int = 0
    platform_fee_minor: int = 0
    shares_minor: int = 0

    def __post_init__(self) -> None:
        digits(self.currency)
        check_parts(self)
        for name in _SUMS:
            if getattr(self, name) != sum(getattr(line, name) for line in self.lines):
                raise ValueError(f"The order's {name} is not the sum of its lines'")

    @property
    def paid_minor(self) -> int:
        """What the buyer paid."""
        return self.gross_minor - self.subsidy_minor

    @property
    def charged_minor(self) -> int:
        """The commission that the merchant is charged, whoever gets it."""
        return sum(line.charged_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Division:
    """An order rated and split; what its volumes are afterwards, and what it trues up, are in `commission`."""

    split: OrderSplit
    commission: OrderCommission


def allocate_shipping(shipping_minor: int, goods_minor: Sequence[int]) -> list[int]:
    """An order's shipping shared among its lines in proportion to their goods, exact; evenly where all are free."""
    return allocate(shipping_minor, goods_minor)


def divide_order(
    plan: Plan,
    lines: Sequence[tuple[UUID, LineToRate]],
    volumes: Mapping[str, Volume] | None = None,
    *,
    with_payment_fee: bool = True,
) -> Division:
    """Rate and split an order's lines, given with their ids. Raises as `commissions` and `split_order` do.

    `with_payment_fee` says whether a provider takes the money, so that the fee of the plan is to be expected.
    """
    if not lines:
        raise ValueError("An order has at least one line")
    rated = commissions(plan, [line for _, line in lines], volumes)
    to_split = []
    for (line_id, line), found in zip(lines, rated.lines, strict=True):
        terms = plan.rule_for(line.merchant, line.merchant_category, line.product_category).terms
        to_split.append(
            LineToSplit(
                line_id,
                line.goods_minor,
                line.shipping_minor,
                found,
                line.discount_merchant_minor,
                line.discount_platform_minor,
                line.tax,
                terms.payment_fee if with_payment_fee else None,
                terms.beneficiaries,
            )
        )
    return Division(split_order(lines[0][1].currency, to_split), rated)


def split_order(currency: str, lines: Sequence[LineToSplit]) -> OrderSplit:
    """Divide an order among all who have part in it; the merchant gets the rest.

    Raises ValueError where a line's figures can't be (negative, or more tax and commission than money).
    """
    if not lines:
        raise ValueError("An order has at least one line")
    fees_minor = estimated_fees(
        currency, [line.payment_fee for line in lines], [line.amounts.paid_minor for line in lines]
    )
    parts = tuple(_split_line(currency, line, fee) for line, fee in zip(lines, fees_minor, strict=True))
    return OrderSplit(
        currency=currency, lines=parts, **{name: sum(getattr(part, name) for part in parts) for name in _SUMS}
    )


def _split_line(currency: str, line: LineToSplit, fee_minor: int) -> LineSplit:
    amounts, charged_minor = line.amounts, line.commission.commission_minor
    left_minor = amounts.gross_minor - amounts.platform_tax_minor - charged_minor - line.commission.commission_tax_minor
    by_merchant = line.payment_fee is not None and line.payment_fee.borne_by is FeeBearer.MERCHANT
    payment_fee_minor = max(0, min(fee_minor, left_minor)) if by_merchant else 0
    left_minor -= payment_fee_minor
    given = shares(line.beneficiaries, currency, merchant_minor=max(0, left_minor), commission_minor=charged_minor)
    of_merchant = sum(share.amount_minor for share in given if share.of is ShareOf.MERCHANT)
    of_commission = sum(share.amount_minor for share in given if share.of is ShareOf.COMMISSION)
    return LineSplit(
        id=line.id,
        goods_minor=line.goods_minor,
        shipping_minor=line.shipping_minor,
        gross_minor=amounts.gross_minor,
        commission=line.commission,
        commission_minor=charged_minor - of_commission,
        merchant_minor=left_minor - of_merchant,
        discount_merchant_minor=line.discount_merchant_minor,
        subsidy_minor=amounts.subsidy_minor,
        tax=line.tax,
        added_tax_minor=sum(amounts.added_tax_parts),
        sales_tax_minor=amounts.platform_tax_minor,
        commission_tax_minor=line.commission.commission_tax_minor,
        payment_fee_minor=payment_fee_minor,
        platform_fee_minor=fee_minor - payment_fee_minor,
        shares=given,
    )
