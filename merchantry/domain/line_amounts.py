"""What a line's price is made of: goods, shipping, discounts and tax, and what follows from them."""

from dataclasses import dataclass

from merchantry.domain.money import allocate
from merchantry.domain.tax import LineTax, Remitter


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """A line as it was sold, in minor units of one currency.

    `goods_minor` is after quantity and before discounts, `shipping_minor` the line's share of the order's shipping;
    both as priced, so with the tax inside where it is inclusive. Discounts are on the goods. Raises ValueError for
    amounts below zero, for discounts beyond the goods, and for a tax beyond what is taxed.
    """

    goods_minor: int
    shipping_minor: int
    discount_merchant_minor: int = 0
    discount_platform_minor: int = 0
    tax: LineTax | None = None

    def __post_init__(self) -> None:
        discounts = self.discount_merchant_minor, self.discount_platform_minor
        if min(self.goods_minor, self.shipping_minor, *discounts) < 0:
            raise ValueError("A line has no negative amounts")
        if sum(discounts) > self.goods_minor:
            raise ValueError("A line's discounts are not more than its goods")
        if self.tax is not None and self.tax.tax_minor:
            taxable_minor = self.taxable_minor(self.tax.covers_shipping)
            if not taxable_minor or (self.tax.inclusive and self.tax.tax_minor > taxable_minor):
                raise ValueError("A line's tax is not more than what is taxed")

    def taxable_minor(self, covers_shipping: bool) -> int:
        """What sales tax is on: goods after the merchant's discount, and shipping where the tax covers it.

        What the platform pays of a discount is part of the price to the tax office: somebody else paid it.
        """
        return self.merchant_goods_minor + (self.shipping_minor if covers_shipping else 0)

    @property
    def merchant_goods_minor(self) -> int:
        """The goods at the merchant's price: after its own discount, as if the platform gave none."""
        return self.goods_minor - self.discount_merchant_minor

    @property
    def tax_parts(self) -> tuple[int, int]:
        """The tax of the goods and of the shipping."""
        if self.tax is None:
            return 0, 0
        shipping_minor = self.shipping_minor if self.tax.covers_shipping else 0
        goods_tax_minor, shipping_tax_minor = allocate(self.tax.tax_minor, [self.merchant_goods_minor, shipping_minor])
        return goods_tax_minor, shipping_tax_minor

    @property
    def added_tax_parts(self) -> tuple[int, int]:
        """The tax that comes on top of the goods and of the shipping; nothing where it is inclusive."""
        return (0, 0) if self.tax is None or self.tax.inclusive else self.tax_parts

    @property
    def gross_minor(self) -> int:
        """What there is to divide: what the buyer pays and what the platform subsidises."""
        return self.merchant_goods_minor + self.shipping_minor + sum(self.added_tax_parts)

    @property
    def subsidy_minor(self) -> int:
        """The platform's own expense: its part of the discount."""
        return self.discount_platform_minor

    @property
    def paid_goods_minor(self) -> int:
        """What the buyer pays for the goods, with tax."""
        return self.merchant_goods_minor - self.discount_platform_minor + self.added_tax_parts[0]

    @property
    def paid_shipping_minor(self) -> int:
        """What the buyer pays for shipping, with tax."""
        return self.shipping_minor + self.added_tax_parts[1]

    @property
    def paid_minor(self) -> int:
        """What the buyer pays."""
        return self.paid_goods_minor + self.paid_shipping_minor

    @property
    def platform_tax_minor(self) -> int:
        """The tax that the platform remits; nothing where the merchant does."""
        return self.tax.tax_minor if self.tax is not None and self.tax.remitted_by is Remitter.PLATFORM else 0
