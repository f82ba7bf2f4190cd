"""Review: the figures that rules judge by, and their verdicts, written in the transaction of the act that is judged.

What an act already knows is taken from there; what else its rules need is read in one statement of the merchant's and,
for the buyer of a checkout, one of the platform's. Rules that nobody wrote cost nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    DateTime,
    Integer,
    Interval,
    Text,
    Uuid,
    bindparam,
    exists,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from merchantry.domain.act import Act
from merchantry.domain.line_split import LineSplit
from merchantry.domain.review import (
    OF_ORDER,
    Counted,
    Facts,
    PriceSeen,
    Rule,
    RuleKind,
    RulesInForce,
    RuleSubject,
    Verdict,
    days_counted,
    hours_counted,
    looks_for,
)
from merchantry.domain.review_checks import judge
from merchantry.services.order import Order
from merchantry.tables.merchant import daily_total, order_line, orders
from merchantry.tables.merchant_settlement import payee_account
from merchantry.tables.platform import buyer_order, payment, tender
from merchantry.tables.review import review
from tenancy.database import MerchantSession, PlatformSession
from tenancy.tables import membership
from tenancy.writes import New

HISTORY: Final = 100
"""How many of the merchant's latest captured orders an article's price is compared with."""

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class BuyerFacts:
    """What the platform knows of an order's buyer: purchases by hours up to this one, whether they work there, and by
    how much the tenders of the whole checkout differ from its orders."""

    purchases: Mapping[int, int] = field(default_factory=dict)
    is_staff: bool = False
    tenders_apart_minor: int = 0


UNKNOWN_BUYER: Final = BuyerFacts()


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """What the merchant's own books say beside an order: orders by hours up to this one, and what was paid before."""

    orders: Mapping[int, int] = field(default_factory=dict)
    prices: tuple[PriceSeen, ...] = ()


_own, _other = buyer_order.alias("own"), buyer_order.alias("other")
_window = func.unnest(bindparam("windows", type_=ARRAY(Interval))).table_valued("span", name="windows").render_derived()
_purchases = (
    select(func.count(_other.c.checkout_id.distinct()))
    .where(
        _other.c.buyer_id == _own.c.buyer_id,
        _other.c.placed_at > _own.c.placed_at - _window.c.span,
        _other.c.placed_at <= _own.c.placed_at,
    )
    .correlate(_own, _window)
    .scalar_subquery()
)
_is_staff = exists().where(membership.c.merchant_id == _own.c.merchant_id, membership.c.account_id == _own.c.buyer_id)
_tendered = (
    select(func.sum(tender.c.amount_minor))
    .join(payment, payment.c.id == tender.c.payment_id)
    .where(payment.c.checkout_id == _own.c.checkout_id, payment.c.status == "captured")
    .correlate(_own)
    .scalar_subquery()
)
_charged = (
    select(func.sum(_other.c.total_minor))
    .where(_other.c.checkout_id == _own.c.checkout_id)
    .correlate(_own)
    .scalar_subquery()
)
BUYERS = (
    select(
        _own.c.order_id,
        func.coalesce(_tendered - _charged, 0).label("apart"),
        _is_staff.label("is_staff"),
        select(func.array_agg(aggregate_order_by(_purchases, _window.c.span)))
        .select_from(_window)
        .correlate(_own)
        .scalar_subquery()
        .label("purchases"),
    )
    .where(_own.c.merchant_id == func.any(bindparam("merchants", type_=ARRAY(Uuid))))
    .where(_own.c.order_id == func.any(bindparam("orders", type_=ARRAY(Uuid))))
)

_given = (
    func.unnest(bindparam("orders", type_=ARRAY(Uuid)), bindparam("moments", type_=ARRAY(DateTime(timezone=True))))
    .table_valued("order_id", "at", name="given")
    .render_derived()
)
_line, _earlier = order_line.alias("line"), order_line.alias("earlier")
_captured = (
    select(func.count())
    .select_from(orders)
    .where(
        orders.c.captured_at > _given.c.at - _window.c.span,
        orders.c.captured_at <= _given.c.at,
        orders.c.id != _given.c.order_id,
    )
    .correlate(_given, _window)
    .scalar_subquery()
)
_sold, _latest = orders.alias("sold"), orders.alias("latest")
_recent = (
    select(_latest.c.id)
    .where(_latest.c.captured_at < _given.c.at, _latest.c.currency == _sold.c.currency)
    .order_by(_latest.c.captured_at.desc(), _latest.c.id.desc())
    .limit(HISTORY)
    .correlate(_given, _sold)
    .lateral("recent")
)
_known = (
    select(func.count().label("known"), func.coalesce(func.sum(_earlier.c.unit_price_minor), 0).label("known_sum"))
    .select_from(_recent.join(_earlier, _earlier.c.order_id == _recent.c.id))
    .where(_earlier.c.variant_id == _line.c.variant_id)
    .correlate(_given, _sold, _line)
    .lateral("known")
)
_prices = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(_line.c.sku, _line.c.unit_price_minor, _known.c.known, _known.c.known_sum),
                _line.c.position,
            )
        )
    )
    .select_from(_sold.join(_line, _line.c.order_id == _sold.c.id).join(_known, true()))
    .where(_sold.c.id == _given.c.order_id, bindparam("with_prices", type_=Boolean))
    .correlate(_given)
    .scalar_subquery()
)
SHOPS = select(
    _given.c.order_id,
    select(func.array_agg(aggregate_order_by(_captured, _window.c.span)))
    .select_from(_window)
    .correlate(_given)
    .scalar_subquery()
    .label("captured"),
    _prices.label("prices"),
)


_total = daily_total.c
_days = func.unnest(bindparam("days", type_=ARRAY(Integer))).table_valued("days", name="spans").render_derived()
GIVEN_BACK = (
    select(
        _days.c.days,
        func.coalesce(func.sum(_total.refunds_minor), 0).label("refunds"),
        func.coalesce(func.sum(_total.goods_minor + _total.shipping_minor), 0).label("sales"),
    )
    .select_from(
        _days.outerjoin(
            daily_total,
            (_total.category == "*")
            & (_total.currency == bindparam("currency", type_=Text))
            & (_total.day > bindparam("until", type_=Date) - _days.c.days)
            & (_total.day <= bindparam("until", type_=Date)),
        )
    )
    .group_by(_days.c.days)
)
_account, _before = payee_account.alias("account"), payee_account.alias("before")
REPLACED_AT = select(_account.c.created_at).where(
    _account.c.id == bindparam("account"),
    exists().where(
        _before.c.currency == _account.c.currency,
        _before.c.id != _account.c.id,
        _before.c.created_at <= _account.c.created_at,
    ),
)


async def buyers_of(
    session: PlatformSession, merchant_ids: Sequence[UUID], order_ids: Sequence[UUID], rules: RulesInForce | None
) -> dict[UUID, BuyerFacts]:
    """What is known of the buyers of some orders of these merchants, by order; nothing is read where no rule asks.

    A purchase is a checkout, paid or not: each counts from the moment at which it was placed.
    """
    asked = rules.rules.rules if rules is not None else ()
    hours = hours_counted(asked, Counted.BUYER)
    if not hours and not any(looks_for(asked, kind) for kind in (RuleKind.BUYER_IS_STAFF, RuleKind.SUMS_DIFFER)):
        return {}
    given = {"merchants": list(merchant_ids), "orders": list(order_ids), "windows": _spans(hours)}
    rows = await session.execute(BUYERS, given)
    return {
        row.order_id: BuyerFacts(dict(zip(hours, row.purchases or (), strict=True)), row.is_staff, abs(int(row.apart)))
        for row in rows
    }


async def shop_facts(
    session: MerchantSession, moments: Mapping[UUID, datetime], rules: Sequence[Rule]
) -> dict[UUID, ShopFacts]:
    """What a merchant's books say beside orders that are captured at these moments; nothing is read where no rule asks.

    A price is compared with those of the merchant's latest orders in the currency before it.
    """
    hours = hours_counted(rules, Counted.MERCHANT)
    with_prices = looks_for(rules, RuleKind.PRICE_FAR_FROM_HISTORY)
    if not hours and not with_prices:
        return {}
    given = {
        "orders": list(moments),
        "moments": list(moments.values()),
        "windows": _spans(hours),
        "with_prices": with_prices,
    }
    return {
        row.order_id: ShopFacts(
            {each: count + 1 for each, count in zip(hours, row.captured or (), strict=True)},
            tuple(PriceSeen(*seen) for seen in row.prices or ()),
        )
        for row in await session.execute(SHOPS, given)
    }


def _spans(hours: Sequence[int]) -> list[timedelta]:
    return [each * HOUR for each in hours]


def order_facts(found: Order, lines: Sequence[LineSplit], shop: ShopFacts, buyer: BuyerFacts) -> Facts:
    """The figures of a captured order, whose money was divided into these lines."""
    rated = [line.commission for line in lines]
    counts = {(Counted.BUYER, hours): count for hours, count in buyer.purchases.items()}
    counts |= {(Counted.MERCHANT, hours): count for hours, count in shop.orders.items()}
    return Facts(
        currency=found.currency,
        amount_minor=found.total_minor,
        counts=counts,
        buyer_is_staff=buyer.is_staff,
        difference_minor=_difference(found, lines) + buyer.tenders_apart_minor,
        base_minor=sum(each.base_minor for each in rated),
        commission_minor=sum(each.commission_minor for each in rated),
        at_rate_minor=sum(each.rate_part_minor for each in rated),
        prices=shop.prices,
    )


def _difference(found: Order, lines: Sequence[LineSplit]) -> int:
    """What the order's total differs by from what its lines were paid, and what their parts differ by from that."""
    paid_minor = sum(line.paid_minor for line in lines)
    shared_minor = sum(
        line.merchant_minor
        + line.commission_minor
        + line.commission_tax_minor
        + line.payment_fee_minor
        + line.sales_tax_minor
        + line.shares_minor
        - line.subsidy_minor
        for line in lines
    )
    return abs(found.total_minor - paid_minor) + abs(paid_minor - shared_minor)


async def of_order(
    session: MerchantSession,
    found: Order,
    lines: Sequence[LineSplit],
    rules: Sequence[Rule],
    version: int,
    buyer: BuyerFacts,
    act: Act,
) -> tuple[Verdict, ...]:
    """What the rules make of an order that is being captured. At most one statement."""
    shops = await shop_facts(session, {found.id: act.at}, rules)
    return judge(rules, version, order_facts(found, lines, shops.get(found.id, ShopFacts()), buyer))


async def given_back(
    session: MerchantSession, currency: str, day: date, rules: Sequence[Rule]
) -> dict[int, tuple[int, int]]:
    """Refunds and sales of the days up to this one of the mall's, by how many days; nothing is read where no rule asks.

    Sales are goods and shipping as they were captured.
    """
    days = days_counted(rules)
    if not days:
        return {}
    given = {"currency": currency, "until": day, "days": days}
    rows = await session.execute(GIVEN_BACK, given)
    return {row.days: (int(row.refunds), int(row.sales)) for row in rows}


def refund_facts(currency: str, amount_minor: int, before: Mapping[int, tuple[int, int]]) -> Facts:
    """The figures of a refund, after what was given back before it."""
    given = {days: (refunds + amount_minor, sales) for days, (refunds, sales) in before.items()}
    return Facts(currency, amount_minor, given_back=given)


async def of_refund(
    session: MerchantSession, currency: str, amount_minor: int, day: date, rules: Sequence[Rule], version: int
) -> tuple[Verdict, ...]:
    """What the rules make of a refund that is asked for on a day of the mall's. At most one statement."""
    before = await given_back(session, currency, day, rules)
    return judge(rules, version, refund_facts(currency, amount_minor, before))


async def of_payout(
    session: MerchantSession,
    account_id: UUID,
    currency: str,
    amount_minor: int,
    at: datetime,
    rules: Sequence[Rule],
    version: int,
) -> tuple[Verdict, ...]:
    """What the rules make of a payout to an account, or of the account itself. At most one statement."""
    age = await payee_age(session, account_id, at) if looks_for(rules, RuleKind.NEW_PAYEE) else None
    return judge(rules, version, Facts(currency, amount_minor, payee_age=age))


async def payee_age(session: MerchantSession, account_id: UUID, at: datetime) -> timedelta | None:
    """How long ago an account took the place of another; None for the first in its currency."""
    created_at: datetime | None = await session.scalar(REPLACED_AT, {"account": account_id})
    return None if created_at is None else max(at - created_at, timedelta())


def rules_for(
    in_force: RulesInForce | None, slug: str, category: str, *subjects: RuleSubject
) -> tuple[tuple[Rule, ...], int]:
    """The rules about some subjects that are for a merchant, and their version; those of an order where none is named.

    Empty, and version 0, where no rules are in force.
    """
    if in_force is None:
        return (), 0
    return in_force.rules.about(subjects or OF_ORDER, slug, category), in_force.version


def written(verdicts: Sequence[Verdict], trail_id: UUID, subject_id: UUID, act: Act) -> list[New]:
    """The verdicts, to be written together with the act."""
    return [New(review, row(each, trail_id, subject_id, act)) for each in verdicts]


def row(verdict: Verdict, trail_id: UUID, subject_id: UUID, act: Act) -> dict[str, Any]:
    """A verdict as it is stored."""
    return {
        "trail_id": trail_id,
        "subject": verdict.subject,
        "subject_id": subject_id,
        "rule": verdict.rule,
        "version": verdict.version,
        "title": verdict.title,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "figures": dict(verdict.figures),
        "decided_at": act.at,
    }
