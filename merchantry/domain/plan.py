"""A commission plan: rules by merchant and category, and which of them applies to a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from merchantry.domain.beneficiary import Beneficiary
from merchantry.domain.payment_fee import PaymentFee
from merchantry.domain.refund_policy import RefundPolicy
from merchantry.domain.tiers import Tiers


class CommissionBase(StrEnum):
    """What the commission is taken of."""

    GOODS = "goods"
    GOODS_AND_SHIPPING = "goods_and_shipping"


class BaseTax(StrEnum):
    """Whether sales tax is in the base: whatever is added to the price or inside it is in, or it is out."""

    GROSS = "gross"
    NET = "net"


class FixedPer(StrEnum):
    """How often the fixed part counts."""

    LINE = "line"
    UNIT = "unit"
    ORDER = "order"


class RuleRank(IntEnum):
    """Which rule wins where several apply: the lowest."""

    MERCHANT_AND_PRODUCT_CATEGORY = 1
    MERCHANT = 2
    PRODUCT_CATEGORY = 3
    MERCHANT_CATEGORY = 4
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What a line comes to: a rate in basis points, or tiers, and amounts by currency. Complete, with what the plan
    says for all its rules; a currency that is not named has no such amount, nothing is converted.

    With `tiers` the rate is that of the step reached, and `rate_bps` that of the first. Floor and cap are per line.
    `commission_tax_bps` is of the commission, on top of it.
    """

    rate_bps: int
    fixed_minor: Mapping[str, int] = field(default_factory=dict)
    floor_minor: Mapping[str, int] = field(default_factory=dict)
    cap_minor: Mapping[str, int] = field(default_factory=dict)
    fixed_per: FixedPer = FixedPer.LINE
    base: CommissionBase = CommissionBase.GOODS
    base_tax: BaseTax = BaseTax.GROSS
    tiers: Tiers | None = None
    commission_tax_bps: int = 0
    beneficiaries: tuple[Beneficiary, ...] = ()
    payment_fee: PaymentFee | None = None
    refund_policy: RefundPolicy = field(default_factory=RefundPolicy)


@dataclass(frozen=True, slots=True)
class Rule:
    """Terms for the lines of a merchant (slug), of a merchant's or a product's category, or for all lines."""

    merchant: str | None
    merchant_category: str | None
    product_category: str | None
    terms: Terms

    def __post_init__(self) -> None:
        if self.merchant_category is not None and (self.merchant, self.product_category) != (None, None):
            raise ValueError("A rule for a merchant category names nothing else")

    @property
    def key(self) -> tuple[str | None, str | None, str | None]:
        """What the rule is for: merchant, merchant category, product category."""
        return self.merchant, self.merchant_category, self.product_category

    @property
    def rank(self) -> RuleRank:
        """Its place in the order of precedence."""
        if self.merchant is not None:
            return RuleRank.MERCHANT if self.product_category is None else RuleRank.MERCHANT_AND_PRODUCT_CATEGORY
        if self.product_category is not None:
            return RuleRank.PRODUCT_CATEGORY
        return RuleRank.DEFAULT if self.merchant_category is None else RuleRank.MERCHANT_CATEGORY

    @property
    def name(self) -> str:
        """The rule as it is kept with a line, such as `default` or `merchant:acme+product_category:telephony`."""
        parts = zip(("merchant", "merchant_category", "product_category"), self.key, strict=True)
        return "+".join(f"{dimension}:{value}" for dimension, value in parts if value is not None) or "default"


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a commission plan. Made by `parse_plan`, which checks all that a plan must be.

    `currency` is that of amounts written without one; lines of any currency can be rated. `base` is that of rules which
    do not say their own. `hold_days` are calendar days from completion until the money is available.
    `order_fixed_minor` counts once per order, for all lines together whose rules have no fixed part of their own in the
    currency.
    """

    name: str
    currency: str
    base: CommissionBase
    hold_days: int
    rules: tuple[Rule, ...]
    order_fixed_minor: Mapping[str, int] = field(default_factory=dict)
    _by_key: Mapping[tuple[str | None, str | None, str | None], Rule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key = {rule.key: rule for rule in self.rules}
        if len(by_key) < len(self.rules) or (None, None, None) not in by_key:
            raise ValueError("A plan has exactly one default, and one rule for each thing it names")
        object.__setattr__(self, "_by_key", by_key)

    def rule_for(self, merchant: str, merchant_category: str | None, product_category: str | None) -> Rule:
        """The rule that applies, by `RuleRank`; there always is one."""
        keys = {
            RuleRank.MERCHANT_AND_PRODUCT_CATEGORY: (merchant, None, product_category),
            RuleRank.MERCHANT: (merchant, None, None),
            RuleRank.PRODUCT_CATEGORY: (None, None, product_category),
            RuleRank.MERCHANT_CATEGORY: (None, merchant_category, None),
            RuleRank.DEFAULT: (None, None, None),
        }
        # A line without a category would find a less specific rule under the rank of a more specific one.
        found = ((rank, self._by_key[key]) for rank, key in keys.items() if key in self._by_key)
        return next(rule for rank, rule in found if rule.rank is rank)
