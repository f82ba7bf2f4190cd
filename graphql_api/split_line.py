"""How one line's money was divided, and how its commission came about, step by step."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api.money import Money
from graphql_api.relay import encode_id
from merchantry.domain.explanation import in_words
from merchantry.domain.line_commission import LineCommission
from merchantry.domain.line_split import LineSplit
from merchantry.services.commission import Decision
from merchantry.services.order import Line
from merchantry.services.split import FrozenLine

ROUNDING = "Each part is rounded half up to the minor unit, away from zero at the half; the merchant has the rest."
APPROVER = "platform"
"""What merchants see of who approved a plan."""


@strawberry.type(description="What the base is made of; tax is negative where it was taken out of the price.")
class BaseParts:
    goods: Money
    merchant_discount: Money
    goods_tax: Money
    shipping: Money
    shipping_tax: Money


@strawberry.type(description="A part of the base that has one rate.")
class RateSlice:
    begins_at: Money = strawberry.field(description="The volume from which the step's rate holds.")
    amount: Money
    rate_bps: int
    part: Money = strawberry.field(description="Rate times amount, rounded half up.")


@strawberry.type(description="Where the line stood in the plan's volume tiers.")
class TierPosition:
    mode: str = strawberry.field(description="marginal or retroactive.")
    volume_before: Money = strawberry.field(description="What the window had counted before this line.")


@strawberry.type(description="The fixed part of a commission.")
class FixedPart:
    amount: Money = strawberry.field(description="This line's share of it.")
    per: str = strawberry.field(description="line, unit or order.")
    each: Money
    quantity: int


@strawberry.type(description="Somebody's part of a line's money.")
class Part:
    party: str = strawberry.field(
        description="merchant, platform_commission (of a PRINCIPAL's order the margin before what the platform gives "
        "off its price), commission_tax, payment_fee, sales_tax, supplier or affiliate."
    )
    name: str | None = strawberry.field(description="The supplier's or affiliate's.")
    taken_of: str | None = strawberry.field(description="Whose part a supplier's or affiliate's comes from.")
    amount: Money


@strawberry.type(description="How a line's commission came about, as it was frozen at capture.")
class CommissionExplanation:
    plan: str
    plan_version: int
    approved_by: str | None = strawberry.field(description="Who put the version into force.")
    approved_at: datetime | None
    rule: str
    base: Money
    base_parts: BaseParts | None = strawberry.field(description="Null for lines frozen before this was kept.")
    slices: list[RateSlice]
    tiers: TierPosition | None
    fixed: FixedPart | None
    bound: str = strawberry.field(description="What decided in the end: none, floor, cap, base or money.")
    charged: Money = strawberry.field(description="The commission that the merchant is charged, whoever gets it.")
    tax_bps: int
    tax: Money = strawberry.field(description="The tax on the commission.")
    refund_policy: str = strawberry.field(description="What of the commission comes back with a refund.")
    rounding: str
    parts: list[Part] = strawberry.field(description="Together what the buyer paid and the platform subsidised.")
    words: str = strawberry.field(description="The computation in words.")


@strawberry.type(description="How one line's money was divided: frozen at capture, never computed again.")
class SplitLine:
    order_line_id: strawberry.ID
    title: str
    category: str
    goods: Money
    shipping: Money
    merchant_discount: Money
    platform_discount: Money = strawberry.field(description="The platform's own expense: its part of a discount.")
    sales_tax: Money = strawberry.field(description="In the price or on top, whoever remits it.")
    paid: Money = strawberry.field(description="What the buyer paid for the line.")
    base: Money = strawberry.field(description="What the rate applies to.")
    rule: str = strawberry.field(description="The plan's rule that gave the rate.")
    rate_bps: int = strawberry.field(description="The rate in basis points: 1200 is 12 %.")
    rate_part: Money = strawberry.field(description="Rate times base, rounded half up to the minor unit.")
    fixed_part: Money
    bound: str = strawberry.field(description="What decided in the end: none, floor, cap, base or money.")
    commission: Money = strawberry.field(description="What the merchant is charged, whoever gets it.")
    commission_tax: Money
    payment_fee: Money = strawberry.field(description="What the merchant bears of it.")
    merchant_share: Money
    explanation: str = strawberry.field(description="The computation in words.")
    explain: CommissionExplanation

    @staticmethod
    def of(merchant_id: UUID, line: Line, frozen: FrozenLine, decided: Decision | None, currency: str) -> "SplitLine":
        """A line with what was frozen of it."""
        split, rated = frozen.split, frozen.commission
        words = in_words(rated, currency)

        def amount(minor: int) -> Money:
            return Money.of(minor, currency)

        return SplitLine(
            order_line_id=encode_id("OrderLine", merchant_id, line.order_id, line.id),
            title=line.title,
            category=line.category,
            goods=amount(split.goods_minor),
            shipping=amount(split.shipping_minor),
            merchant_discount=amount(split.discount_merchant_minor),
            platform_discount=amount(split.subsidy_minor),
            sales_tax=amount(split.tax.tax_minor if split.tax else 0),
            paid=amount(split.paid_minor),
            base=amount(rated.base_minor),
            rule=rated.rule,
            rate_bps=rated.rate_bps,
            rate_part=amount(rated.rate_part_minor),
            fixed_part=amount(rated.fixed_minor),
            bound=rated.bound,
            commission=amount(split.charged_minor),
            commission_tax=amount(split.commission_tax_minor),
            payment_fee=amount(split.payment_fee_minor),
            merchant_share=amount(split.merchant_minor),
            explanation=words,
            explain=_explain(frozen, decided, currency, words),
        )


def _explain(frozen: FrozenLine, decided: Decision | None, currency: str, words: str) -> CommissionExplanation:
    rated = frozen.commission
    return CommissionExplanation(
        plan=frozen.plan,
        plan_version=frozen.plan_version,
        approved_by=APPROVER if decided else None,
        approved_at=decided.at if decided else None,
        rule=rated.rule,
        base=Money.of(rated.base_minor, currency),
        base_parts=_base_parts(rated, currency),
        slices=[
            RateSlice(
                begins_at=Money.of(cut.from_minor, currency),
                amount=Money.of(cut.amount_minor, currency),
                rate_bps=cut.rate_bps,
                part=Money.of(cut.part_minor, currency),
            )
            for cut in rated.slices
        ],
        tiers=_tiers(rated, currency),
        fixed=_fixed(rated, currency),
        bound=rated.bound,
        charged=Money.of(rated.commission_minor, currency),
        tax_bps=rated.commission_tax_bps,
        tax=Money.of(rated.commission_tax_minor, currency),
        refund_policy=rated.refund_policy.kind.value,
        rounding=ROUNDING,
        parts=_parts(frozen.split, currency),
        words=words,
    )


def _base_parts(rated: LineCommission, currency: str) -> BaseParts | None:
    base = rated.base
    if base is None:
        return None
    return BaseParts(
        goods=Money.of(base.goods_minor, currency),
        merchant_discount=Money.of(base.discount_minor, currency),
        goods_tax=Money.of(base.goods_tax_minor, currency),
        shipping=Money.of(base.shipping_minor, currency),
        shipping_tax=Money.of(base.shipping_tax_minor, currency),
    )


def _tiers(rated: LineCommission, currency: str) -> TierPosition | None:
    if rated.tier_mode is None:
        return None
    return TierPosition(mode=rated.tier_mode.value, volume_before=Money.of(rated.volume_before_minor, currency))


def _fixed(rated: LineCommission, currency: str) -> FixedPart | None:
    if not rated.fixed_each_minor:
        return None
    return FixedPart(
        amount=Money.of(rated.fixed_minor, currency),
        per=rated.fixed_per.value,
        each=Money.of(rated.fixed_each_minor, currency),
        quantity=rated.quantity,
    )


def _parts(split: LineSplit, currency: str) -> list[Part]:
    parties = {
        "merchant": split.merchant_minor,
        "platform_commission": split.commission_minor,
        "commission_tax": split.commission_tax_minor,
        "payment_fee": split.payment_fee_minor,
        "sales_tax": split.sales_tax_minor,
    }
    named = [
        Part(party=party, name=None, taken_of=None, amount=Money.of(minor, currency))
        for party, minor in parties.items()
        if minor or party in ("merchant", "platform_commission")
    ]
    shares = [
        Part(
            party=each.kind.value, name=each.name, taken_of=each.of.value, amount=Money.of(each.amount_minor, currency)
        )
        for each in split.shares
    ]
    return named + shares
