"""Orders of five lines each to measure with, and what is asked of them."""

import psycopg

from tenancy.principals import Merchant
from tenancy.schemas import MARK, schema_of

ADDRESS = "shipTo { name street city postalCode country }"
SELECTED = """
id number status placedAt total { amount currency } lines { title quantity unitPrice { amount currency } }
"""
PAGE = "query OrdersPage { merchant { orders(first: 50) { nodes { %s } } } }"
"""For what is selected of an order. Whoever opens an address is written down before it is answered."""
ORDERS = """
INSERT INTO __merchant__.orders (id, number, checkout_id, status, currency, goods_minor, shipping_minor,
    shipping_option, legal_name, ship_to, placed_at, events)
SELECT gen_random_uuid(), '100001-' || lpad(n::text, 6, '0'), gen_random_uuid(), 'awaiting_payment', 'BRL',
    5 * (1000 + n) * 2, 1000, 'standard', 'Shop 1 Ltda',
    jsonb_build_object('name', 'Buyer ' || n, 'street', 'Rua A ' || n, 'city', 'Recife', 'postal_code', '50000-000',
                       'country', 'BR', 'phone', NULL),
    timestamptz '2026-01-01 00:00:00+00' + n * interval '97 seconds', 1
FROM generate_series(1, {orders}) AS n
"""
LINES = """
INSERT INTO __merchant__.order_line (id, order_id, position, product_id, variant_id, sku, title, category,
    unit_price_minor, quantity, goods_minor, shipping_minor, shipped, delivered)
SELECT gen_random_uuid(), id, position, gen_random_uuid(), gen_random_uuid(), 'SKU-' || position,
    'Product ' || position || ', one size', 'toys', goods_minor / 10, 2, goods_minor / 5, 200, 0, 0
FROM __merchant__.orders, generate_series(0, 4) AS position
"""


def fill(owner_url: str, merchant: Merchant, orders: int) -> None:
    """Give a merchant so many orders, of five lines each."""
    schema = schema_of(merchant.id)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(ORDERS.replace(MARK, schema).format(orders=orders).encode())
        connection.execute(LINES.replace(MARK, schema).encode())
        connection.execute(f"VACUUM ANALYZE {schema}.orders, {schema}.order_line".encode())
