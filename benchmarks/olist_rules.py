"""Review rules for the real orders, and what each must stop, counted from the files alone."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any, Final

from merchantry.domain.plan import Plan
from merchantry.imports.olist.model import Order, Sale, Source, slug_of
from merchantry.services.review import HISTORY

LARGE_MINOR: Final = 30_000
APART_BPS: Final = 200
FAR_BPS: Final = 1_000
WINDOW: Final = timedelta(hours=24)

Stopped = dict[str, Counter[tuple[str, datetime]]]
"""Of each rule the orders that it stops: the merchant's slug, and when the order was captured."""


def a_rule(name: str, subject: str, kind: str, outcome: str = "flag", **parameters: Any) -> dict[str, Any]:
    """A rule about everybody."""
    usual = {"name": name, "title": name.title(), "subject": subject, "kind": kind, "outcome": outcome, "sla_hours": 24}
    return {**usual, **parameters}


RULES: Final = {
    "name": "Olist",
    "rules": [
        a_rule("large", "order", "amount", "hold", above_minor={"BRL": LARGE_MINOR}),
        a_rule("busy", "order", "velocity", of="merchant", more_than=1, hours=24),
        a_rule("again", "order", "velocity", of="buyer", more_than=1, hours=24),
        a_rule("staff", "order", "buyer_is_staff"),
        a_rule("sums", "split", "sums_differ", "hold"),
        a_rule("bounded", "split", "commission_far_from_plan", above_bps=APART_BPS),
        a_rule("price", "price", "price_far_from_history", above_bps=FAR_BPS, least_sales=1),
        a_rule("refunds", "refund", "refund_ratio", above_bps=1_000, least_minor={"BRL": 1}, days=30),
    ],
}
"""Deterministic: the same files give the same flags for ever."""


def expected(source: Source, plan: Plan) -> Stopped:
    """Which orders each rule must stop; rules that stop none are left out."""
    found: Stopped = defaultdict(Counter)
    by_seller: dict[str, list[tuple[Sale, Order]]] = defaultdict(list)
    by_buyer: dict[str, list[Sale]] = defaultdict(list)
    for sale in source.sales:
        by_buyer[sale.buyer.subject].append(sale)
        for order in sale.orders:
            by_seller[order.seller_id].append((sale, order))
    for seller_id, sold in by_seller.items():
        for sale, order in sold:
            for rule in _stopping(sale, order, sold, by_buyer[sale.buyer.subject], source, plan):
                found[rule][slug_of(seller_id), sale.captured_at] += 1
    return dict(found)


def _stopping(
    sale: Sale, order: Order, sold: list[tuple[Sale, Order]], bought: list[Sale], source: Source, plan: Plan
) -> list[str]:
    """The rules that stop an order, of what its merchant sold and its buyer bought."""
    placed, captured = (moment - WINDOW for moment in (sale.placed_at, sale.captured_at))
    odd = {
        "large": order.total_minor > LARGE_MINOR,
        "busy": sum(captured < each.captured_at <= sale.captured_at for each, _ in sold) > 1,
        "again": sum(placed < each.placed_at <= sale.placed_at for each in bought) > 1,
        "sums": sale.paid_minor != sale.total_minor,
        "bounded": _is_bounded(order, plan, source),
        "price": _is_far(order, [each for each in sold if each[0].captured_at < sale.captured_at]),
    }
    return [rule for rule, is_odd in odd.items() if is_odd]


def _is_bounded(order: Order, plan: Plan, source: Source) -> bool:
    base = apart = 0
    for line in order.lines:
        goods = line.unit_price_minor * line.quantity
        terms = plan.rule_for(slug_of(order.seller_id), "marketplace", source.categories[line.product_id]).terms
        at_rate = (goods * terms.rate_bps + 5_000) // 10_000
        charged = min(max(at_rate, terms.floor_minor["BRL"]), terms.cap_minor["BRL"], goods)
        base, apart = base + goods, apart + charged - at_rate
    return abs(apart) * 10_000 > base * APART_BPS


def _is_far(order: Order, before: list[tuple[Sale, Order]]) -> bool:
    latest = sorted(before, key=lambda each: each[0].captured_at)[-HISTORY:]
    for line in order.lines:
        earlier = (other for _, each in latest for other in each.lines)
        known = [other.unit_price_minor for other in earlier if other.product_id == line.product_id]
        if known and abs(line.unit_price_minor * len(known) - sum(known)) * 10_000 > sum(known) * FAR_BPS:
            return True
    return False
