"""What a refund of a line takes back from each party, from the line's frozen split alone.

The cumulative method: a part of a refund is the share of all that has been refunded so far, less what was reversed
before. So any refunds whatever that make up the whole close every party to nothing, or to what the policy retains.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from merchantry.domain.beneficiary import Share, ShareOf
from merchantry.domain.line_split import LineSplit
from merchantry.domain.refund_policy import commission_returned, share_of


@dataclass(frozen=True, slots=True)
class Refunded:
    """What goes back to the buyer of a line: of what was paid for its goods and for its shipping, with tax."""

    goods_minor: int = 0
    shipping_minor: int = 0

    def __post_init__(self) -> None:
        if min(self.goods_minor, self.shipping_minor) < 0:
            raise ValueError("A refund has no negative amounts")

    def __add__(self, other: "Refunded") -> "Refunded":
        return Refunded(self.goods_minor + other.goods_minor, self.shipping_minor + other.shipping_minor)

    @property
    def total_minor(self) -> int:
        """All of it."""
        return self.goods_minor + self.shipping_minor


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a refund takes back: refund + subsidy = merchant + commission + its tax + fee + sales tax + shares.

    The subsidy goes back to the platform. `merchant_minor` is what the merchant bears; it is more than its part where
    the policy retains commission or fee. `commission_minor` is what the platform gives back of its own; with the shares
    of the commission it is all that the merchant gets back (`returned_minor`). `base_minor` and `rate_part_minor` are
    how much of the base and of the rate's part the refund undoes, for the volume of tiers.
    """

    refund_minor: int
    subsidy_minor: int
    merchant_minor: int
    commission_minor: int
    commission_tax_minor: int
    payment_fee_minor: int
    sales_tax_minor: int
    shares: tuple[Share, ...]
    base_minor: int
    rate_part_minor: int

    def __post_init__(self) -> None:
        parties = (
            self.merchant_minor,
            self.commission_minor,
            self.commission_tax_minor,
            self.payment_fee_minor,
            self.sales_tax_minor,
            *(share.amount_minor for share in self.shares),
        )
        if self.refund_minor + self.subsidy_minor != sum(parties):
            raise ValueError("A refund and its subsidy are not what is taken back from all parties together")

    @property
    def returned_minor(self) -> int:
        """The commission that comes back, whoever had it."""
        given = (share.amount_minor for share in self.shares if share.of is ShareOf.COMMISSION)
        return self.commission_minor + sum(given)


def reverse(
    currency: str, line: LineSplit, before: Refunded, refund: Refunded, *, fee_change_minor: int = 0
) -> Reversal:
    """What this refund takes back of a line of which `before` was refunded already.

    `fee_change_minor` is what the provider's real fee came to beyond the one that the line was split with. A line for
    which nothing was paid is reversed whole by its first refund, of nothing; it has no second. Raises ValueError for
    more than was paid for goods or for shipping.
    """
    total = reversed_so_far(currency, line, before + refund, fee_change_minor=fee_change_minor)
    if not line.paid_minor:
        return total
    earlier = reversed_so_far(currency, line, before, fee_change_minor=fee_change_minor)
    return Reversal(
        refund_minor=total.refund_minor - earlier.refund_minor,
        subsidy_minor=total.subsidy_minor - earlier.subsidy_minor,
        merchant_minor=total.merchant_minor - earlier.merchant_minor,
        commission_minor=total.commission_minor - earlier.commission_minor,
        commission_tax_minor=total.commission_tax_minor - earlier.commission_tax_minor,
        payment_fee_minor=total.payment_fee_minor - earlier.payment_fee_minor,
        sales_tax_minor=total.sales_tax_minor - earlier.sales_tax_minor,
        shares=tuple(
            replace(share, amount_minor=share.amount_minor - old.amount_minor)
            for share, old in zip(total.shares, earlier.shares, strict=True)
        ),
        base_minor=total.base_minor - earlier.base_minor,
        rate_part_minor=total.rate_part_minor - earlier.rate_part_minor,
    )


def reversed_so_far(currency: str, line: LineSplit, refunded: Refunded, *, fee_change_minor: int = 0) -> Reversal:
    """What refunds of this much take back, all in all: each party's share half-up, and the merchant bears the rest.

    Tax goes by what of the taxed was refunded, commission by what of its base, the subsidy by what of the goods, and
    all else by what of the whole.
    """
    of = _Fractions.of(line, refunded)
    rated = line.commission
    returned_minor = commission_returned(
        rated.refund_policy, currency, rated.commission_minor, rated.fixed_minor, of.base
    )
    of_commission = Fraction(returned_minor, rated.commission_minor or 1)
    given = tuple(
        replace(
            share,
            amount_minor=share_of(share.amount_minor, of_commission if share.of is ShareOf.COMMISSION else of.whole),
        )
        for share in line.shares
    )
    shares_of_commission = sum(share.amount_minor for share in given if share.of is ShareOf.COMMISSION)
    fee_minor = 0
    if rated.refund_policy.returns_payment_fee:
        fee_minor = share_of(line.payment_fee_minor + fee_change_minor, of.whole)
    commission_tax_minor = share_of(line.commission_tax_minor, of_commission)
    sales_tax_minor = share_of(line.sales_tax_minor, of.taxed)
    subsidy_minor = share_of(line.subsidy_minor, of.goods)
    others_minor = returned_minor - shares_of_commission + commission_tax_minor + fee_minor + sales_tax_minor
    others_minor += sum(share.amount_minor for share in given)
    return Reversal(
        refund_minor=refunded.total_minor,
        subsidy_minor=subsidy_minor,
        merchant_minor=refunded.total_minor + subsidy_minor - others_minor,
        commission_minor=returned_minor - shares_of_commission,
        commission_tax_minor=commission_tax_minor,
        payment_fee_minor=fee_minor,
        sales_tax_minor=sales_tax_minor,
        shares=given,
        base_minor=share_of(rated.base_minor, of.base),
        rate_part_minor=share_of(rated.rate_part_minor, of.base),
    )


@dataclass(frozen=True, slots=True)
class _Fractions:
    """How much has been refunded of the goods, of the whole, of what is taxed, and of the commission's base."""

    goods: Fraction
    whole: Fraction
    taxed: Fraction
    base: Fraction

    @classmethod
    def of(cls, line: LineSplit, refunded: Refunded) -> "_Fractions":
        amounts, base = line.amounts, line.commission.base
        paid_goods, paid_shipping = amounts.paid_goods_minor, amounts.paid_shipping_minor
        if refunded.goods_minor > paid_goods or refunded.shipping_minor > paid_shipping:
            raise ValueError("No more can be refunded of a line than was paid for its goods and for its shipping")
        whole = Fraction(refunded.total_minor, paid_goods + paid_shipping) if amounts.paid_minor else Fraction(1)
        # What nothing was paid for goes with the rest of the line.
        goods = Fraction(refunded.goods_minor, paid_goods) if paid_goods else whole
        shipping = Fraction(refunded.shipping_minor, paid_shipping) if paid_shipping else whole

        def weighed(goods_minor: int, shipping_minor: int) -> Fraction:
            total_minor = goods_minor + shipping_minor
            return (goods * goods_minor + shipping * shipping_minor) / total_minor if total_minor else whole

        by_base = whole if base is None else weighed(base.goods_base_minor, base.shipping_base_minor)
        return cls(goods, whole, weighed(*amounts.tax_parts), by_base)
