"""What must hold after any storm: the books, the stock, and one order for each index row."""

from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from merchantry.services.verification import merchants_to_verify, verify_books
from tenancy.database import Database
from tenancy.schemas import schema_of

# Pieces that belong to orders which are neither called off nor shipped, by variant.
PROMISED = """
SELECT v.id, v.on_hand, v.reserved, coalesce(sum(l.quantity - l.shipped - l.cancelled) FILTER (
         WHERE o.status NOT IN ('cancelled', 'refunded')), 0)::int AS promised,
       coalesce(sum(l.shipped), 0)::int AS shipped
FROM {schema}.variant v
LEFT JOIN {schema}.order_line l ON l.variant_id = v.id
LEFT JOIN {schema}.orders o ON o.id = l.order_id
GROUP BY v.id
"""
ORDERS = """
SELECT o.id, o.status, i.status AS indexed, c.status AS checkout, o.captured_at IS NOT NULL AS captured
FROM {schema}.orders o
LEFT JOIN platform.buyer_order i ON i.order_id = o.id AND i.merchant_id = {merchant}
LEFT JOIN platform.checkout c ON c.id = o.checkout_id
"""
CHARGED = """
SELECT c.id, c.status, coalesce(sum(s.amount_minor) FILTER (WHERE s.status = 'captured'), 0)::bigint AS captured,
       c.goods_minor + c.shipping_minor - c.discount_minor + c.added_tax_minor AS due
FROM platform.checkout c
LEFT JOIN platform.payment p ON p.checkout_id = c.id
LEFT JOIN platform.sandbox_charge s ON s.id = p.id
GROUP BY c.id
"""


def rows(database: Database, query: str, merchant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Rows as the owner of all tables sees them."""
    with psycopg.connect(database.logins.owner, row_factory=dict_row) as connection:
        schema = sql.Identifier(schema_of(merchant_id)) if merchant_id else sql.SQL("")
        composed = sql.SQL(query).format(schema=schema, merchant=sql.Literal(merchant_id))
        return connection.execute(composed).fetchall()


async def check_everything(database: Database) -> None:
    """Books equal recounts, reservations equal what orders wait for, and money was taken for what is paid only."""
    merchants = await merchants_to_verify(database)
    async for verified in verify_books(database, merchants):
        assert not verified.broken, verified
    for merchant_id, slug in merchants:
        for variant in rows(database, PROMISED, merchant_id):
            assert variant["reserved"] == variant["promised"], (slug, variant)
        for order in rows(database, ORDERS, merchant_id):
            assert order["status"] == order["indexed"], (slug, order)
            assert order["captured"] is (order["checkout"] == "paid"), (slug, order)
            assert (order["checkout"] in ("expired", "cancelled")) <= (order["status"] == "cancelled"), (slug, order)
    for charged in rows(database, CHARGED):
        assert charged["captured"] == (charged["due"] if charged["status"] == "paid" else 0), charged


def stock_of(database: Database, merchant_id: UUID) -> list[tuple[int, int]]:
    """On hand and reserved of each variant."""
    return [(row["on_hand"], row["reserved"]) for row in rows(database, PROMISED, merchant_id)]
