"""What tests of the real data share."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from merchantry.imports.olist.model import read, slug_of
from tests.imports.olist_slice import DATA, copy, whole_merchants


@pytest.fixture
def slice_of(tmp_path: Path) -> tuple[Path, set[str], int]:
    """A filtered copy of the files: every checkout of some merchants, whoever else sold in it."""
    chosen, kept = whole_merchants(read(DATA, datetime.now(UTC)))
    orders = copy(tmp_path, "olist_orders_dataset", lambda row: row["order_id"] in kept)
    items = copy(tmp_path, "olist_order_items_dataset", lambda row: row["order_id"] in kept)
    copy(tmp_path, "olist_order_payments_dataset", lambda row: row["order_id"] in kept)
    customers, products = {row["customer_id"] for row in orders}, {row["product_id"] for row in items}
    sellers = {row["seller_id"] for row in items}
    copy(tmp_path, "olist_customers_dataset", lambda row: row["customer_id"] in customers)
    copy(tmp_path, "olist_products_dataset", lambda row: row["product_id"] in products)
    copy(tmp_path, "olist_sellers_dataset", lambda row: row["seller_id"] in sellers)
    copy(tmp_path, "product_category_name_translation", lambda row: True)
    return tmp_path, {slug_of(seller) for seller in chosen}, len(kept)
