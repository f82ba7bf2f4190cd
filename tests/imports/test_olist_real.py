"""The import on a slice of the real data, which lies beside the repository where there is any."""

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from merchantry.domain.plan_document import plan_from_json
from merchantry.imports.olist.model import Source, read, slug_of
from merchantry.imports.olist.run import Stage, run
from merchantry.services.report import Dimension, commission_report, settlement_report
from tenancy.database import Database
from tests.builders import VAULT

DATA = Path(__file__).parents[3] / "shared" / "data" / "olist"
MERCHANTS = 40
FIGURES = ("orders", "goods_minor", "shipping_minor", "commission_minor")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not in {DATA}")


class _Silent:
    def begin(self, stage: Stage, total: int) -> None:
        """Nothing."""

    def advance(self, stage: Stage, done: int) -> None:
        """Nothing."""


def _whole_merchants(source: Source) -> tuple[set[str], set[str]]:
    """Some sellers whose every checkout is theirs alone or theirs together, and those checkouts."""
    several = [sale for sale in source.sales if len(sale.orders) > 1]
    chosen = {order.seller_id for sale in several[:4] for order in sale.orders}
    chosen |= set(source.seller_ids[: MERCHANTS - len(chosen)])
    kept = {sale.id for sale in source.sales if {order.seller_id for order in sale.orders} & chosen}
    return chosen, kept


def _copy(to: Path, name: str, keep: Callable[[Mapping[str, str]], bool]) -> list[dict[str, str]]:
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if keep(row)]
    with (to / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(reader.fieldnames or ()))
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.fixture
def slice_of(tmp_path: Path) -> tuple[Path, set[str], int]:
    """A filtered copy of the files: every checkout of some merchants, whoever else sold in it."""
    chosen, kept = _whole_merchants(read(DATA, datetime.now(UTC)))
    orders = _copy(tmp_path, "olist_orders_dataset", lambda row: row["order_id"] in kept)
    items = _copy(tmp_path, "olist_order_items_dataset", lambda row: row["order_id"] in kept)
    _copy(tmp_path, "olist_order_payments_dataset", lambda row: row["order_id"] in kept)
    customers, products = {row["customer_id"] for row in orders}, {row["product_id"] for row in items}
    sellers = {row["seller_id"] for row in items}
    _copy(tmp_path, "olist_customers_dataset", lambda row: row["customer_id"] in customers)
    _copy(tmp_path, "olist_products_dataset", lambda row: row["product_id"] in products)
    _copy(tmp_path, "olist_sellers_dataset", lambda row: row["seller_id"] in sellers)
    _copy(tmp_path, "product_category_name_translation", lambda row: True)
    return tmp_path, {slug_of(seller) for seller in chosen}, len(kept)


async def test_books_of_real_merchants_are_what_they_must_be(
    database: Database, slice_of: tuple[Path, set[str], int]
) -> None:
    directory, slugs, checkouts = slice_of
    expected: dict[str, Any] = json.loads((DATA / "expected.json").read_text())
    plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
    source = read(directory, datetime.now(UTC))
    report = await run(database, VAULT, source, plan, clock=lambda: datetime.now(UTC), progress=_Silent())
    assert report.skipped == ()
    assert report.now.checkouts == checkouts > 100
    assert report.several_merchants >= 4

    commission = await commission_report(database, date_from=date.min, date_to=date.max, group_by=[Dimension.MERCHANT])
    found = {row["merchant"]: {name: row[name] for name in FIGURES} for row in commission.rows}
    assert {slug: found[slug] for slug in slugs} == {slug: expected["by_merchant"][slug] for slug in slugs}

    settlement = await settlement_report(database, date_from=date.min, date_to=date.max)
    weeks = [
        {
            "merchant": row["merchant"],
            "week_starting": row["period_start"].isoformat(),
            "orders": row["orders"],
            "payable_minor": row["payable_minor"],
        }
        for row in settlement.rows
        if row["merchant"] in slugs
    ]
    assert weeks == [row for row in expected["weekly_payable"] if row["merchant"] in slugs]
