"""What a line's commission is and how it came about: everything that explains it, frozen with the line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.plan import BaseTax, CommissionBase, FixedPer, Terms
from merchantry.domain.refund_policy import RefundPolicy, ReturnKind
from merchantry.domain.tiers import Slice, TierMode

VERSION: Final = 1
"""Of the document's form; a reader refuses what it does not know."""

Bound = Literal["none", "floor", "cap", "base", "money"]


@dataclass(frozen=True, slots=True)
class BaseParts:
    """What the base is made of: goods as priced, less the merchant's discount, and shipping where it is in the base.

    The taxes are what was added to each for a base with tax, or taken out of it, and then negative, for one without.
    """

    goods_minor: int
    discount_minor: int
    goods_tax_minor: int
    shipping_minor: int
    shipping_tax_minor: int

    @property
    def goods_base_minor(self) -> int:
        """The base's part for the goods."""
        return self.goods_minor - self.discount_minor + self.goods_tax_minor

    @property
    def shipping_base_minor(self) -> int:
        """The base's part for shipping."""
        return self.shipping_minor + self.shipping_tax_minor

    @property
    def base_minor(self) -> int:
        """The base."""
        return self.goods_base_minor + self.shipping_base_minor


@dataclass(frozen=True, slots=True)
class LineCommission:
    """A line's commission, in minor units of the line's currency.

    `rate_part_minor` is the sum of the `slices`, of which there are several only in marginal tiers; `rate_bps` is the
    rate of the last. `fixed_minor` is this line's share of the fixed part, which is `fixed_each_minor` per line, unit
    or order. `bound` is what decided in the end: nothing, the floor, the cap, the base, which commission never exceeds,
    or the money that sales tax leaves for it and its tax. `tier_mode` is None without tiers; with them
    `volume_before_minor` is what was counted before this line. Lines frozen before a field existed have its default.
    """

    rule: str
    base_minor: int
    rate_bps: int
    rate_part_minor: int
    fixed_minor: int
    bound: Bound
    commission_minor: int
    base: BaseParts | None = None
    slices: tuple[Slice, ...] = ()
    tier_mode: TierMode | None = None
    volume_before_minor: int = 0
    fixed_per: FixedPer = FixedPer.LINE
    fixed_each_minor: int = 0
    quantity: int = 1
    commission_tax_bps: int = 0
    commission_tax_minor: int = 0
    refund_policy: RefundPolicy = field(default_factory=RefundPolicy)

    def document(self) -> dict[str, Any]:
        """As JSON, without floats: amounts are integers of minor units. `from_document` reads it again."""
        return {
            "version": VERSION,
            "rule": self.rule,
            "base_minor": self.base_minor,
            "base": None if self.base is None else _fields(self.base),
            "rate_bps": self.rate_bps,
            "slices": [_fields(cut) for cut in self.slices],
            "tier_mode": None if self.tier_mode is None else self.tier_mode.value,
            "volume_before_minor": self.volume_before_minor,
            "rate_part_minor": self.rate_part_minor,
            "fixed_minor": self.fixed_minor,
            "fixed_per": self.fixed_per.value,
            "fixed_each_minor": self.fixed_each_minor,
            "quantity": self.quantity,
            "bound": self.bound,
            "commission_minor": self.commission_minor,
            "commission_tax_bps": self.commission_tax_bps,
            "commission_tax_minor": self.commission_tax_minor,
            "refund_policy": {
                "kind": self.refund_policy.kind.value,
                "fee_bps": self.refund_policy.fee_bps,
                "fee_cap_minor": dict(sorted(self.refund_policy.fee_cap_minor.items())),
            },
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "LineCommission":
        """What `document` wrote. Raises ValueError for a version that is not known."""
        if document["version"] != VERSION:
            raise ValueError(f"A line's commission of version {document['version']} is not known")
        policy = document["refund_policy"]
        names = ("rule", "base_minor", "rate_bps", "rate_part_minor", "fixed_minor", "bound", "commission_minor")
        more = ("volume_before_minor", "fixed_each_minor", "quantity", "commission_tax_bps", "commission_tax_minor")
        return cls(
            **{name: document[name] for name in (*names, *more)},
            base=None if document["base"] is None else BaseParts(**document["base"]),
            slices=tuple(Slice(**cut) for cut in document["slices"]),
            tier_mode=None if document["tier_mode"] is None else TierMode(document["tier_mode"]),
            fixed_per=FixedPer(document["fixed_per"]),
            refund_policy=RefundPolicy(ReturnKind(policy["kind"]), policy["fee_bps"], policy["fee_cap_minor"]),
        )


def base_of(terms: Terms, amounts: LineAmounts) -> BaseParts:
    """The base that the terms state: with or without shipping, with or without sales tax.

    What the platform pays of a discount leaves the base as if there were none.
    """
    with_shipping = terms.base is CommissionBase.GOODS_AND_SHIPPING
    if terms.base_tax is BaseTax.GROSS:
        goods_tax_minor, shipping_tax_minor = amounts.added_tax_parts
    elif amounts.tax is not None and amounts.tax.inclusive:
        goods_tax_minor, shipping_tax_minor = (-part for part in amounts.tax_parts)
    else:
        goods_tax_minor, shipping_tax_minor = 0, 0
    return BaseParts(
        goods_minor=amounts.goods_minor,
        discount_minor=amounts.discount_merchant_minor,
        goods_tax_minor=goods_tax_minor,
        shipping_minor=amounts.shipping_minor if with_shipping else 0,
        shipping_tax_minor=shipping_tax_minor if with_shipping else 0,
    )


def _fields(part: BaseParts | Slice) -> dict[str, int]:
    return {name: getattr(part, name) for name in part.__slots__}
