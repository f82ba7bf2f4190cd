"""Review rules tried on a slice of the real data: what each flags is counted here again, from the files alone."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from merchantry.domain.plan import Plan
from merchantry.domain.plan_document import plan_from_json
from merchantry.domain.review import Outcome
from merchantry.domain.review_document import parse_rules
from merchantry.imports.olist.model import Order, Sale, Source, read, slug_of
from merchantry.imports.olist.run import run
from merchantry.services import replay, review_trial
from merchantry.services.review import HISTORY
from tenancy.database import Database
from tests.builders import VAULT
from tests.imports.olist_slice import DATA, Silent

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not in {DATA}")

LARGE_MINOR = 30_000
APART_BPS = 200
FAR_BPS = 1_000
WINDOW = timedelta(hours=24)


def a_rule(name: str, subject: str, kind: str, outcome: str = "flag", **parameters: Any) -> dict[str, Any]:
    """A rule about everybody."""
    usual = {"name": name, "title": name.title(), "subject": subject, "kind": kind, "outcome": outcome, "sla_hours": 24}
    return {**usual, **parameters}


RULES = {
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


def expected(source: Source, plan: Plan) -> dict[str, int]:
    """How many orders each rule must stop."""
    found = Counter[str]()
    by_seller: dict[str, list[tuple[Sale, Order]]] = defaultdict(list)
    for sale in source.sales:
        for order in sale.orders:
            by_seller[order.seller_id].append((sale, order))
            found["large"] += order.total_minor > LARGE_MINOR
            found["sums"] += sale.paid_minor != sale.total_minor
            found["bounded"] += _is_bounded(order, plan, source)
            since = sale.placed_at - WINDOW
            mine = (each for each in source.sales if each.buyer.subject == sale.buyer.subject)
            found["again"] += sum(since < each.placed_at <= sale.placed_at for each in mine) > 1
    for sold in by_seller.values():
        for sale, order in sold:
            since = sale.captured_at - WINDOW
            found["busy"] += sum(since < each.captured_at <= sale.captured_at for each, _ in sold) > 1
            found["price"] += _is_far(order, [other for other in sold if other[0].captured_at < sale.captured_at])
    return dict(found)


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


async def test_rules_over_the_imported_history_flag_what_the_files_say(
    database: Database, slice_of: tuple[Path, set[str], int]
) -> None:
    directory, _, _ = slice_of
    plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
    source = read(directory, datetime.now(UTC))
    await run(database, VAULT, source, plan, clock=lambda: datetime.now(UTC), progress=Silent())
    merchants = await replay.merchants_to_replay(database, "test", None)
    rules = parse_rules(RULES)
    async for grown in review_trial.try_rules(database, "test", rules, date(2016, 1, 1), date(2019, 1, 1), merchants):
        trial = grown
    orders = sum(len(sale.orders) for sale in source.sales)
    counted = {name: tally.counts.total() for name, tally in trial.tallies.items()}
    assert counted == {**dict.fromkeys(counted, orders), "refunds": 0}
    stopped = {name: tally.counts.total() - tally.counts[Outcome.PASS] for name, tally in trial.tallies.items()}
    wanted = expected(source, plan)
    assert stopped == {**dict.fromkeys(stopped, 0), **wanted}
    assert {name for name, count in wanted.items() if count} >= {"large", "busy", "bounded"}
    assert trial.tallies["large"].counts[Outcome.HOLD] == wanted["large"]
