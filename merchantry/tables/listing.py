"""Tables of ``platform`` that listings are found and sorted by, and shown with."""

from sqlalchemy import ARRAY, Column, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, Table, Text

from merchantry.tables.columns import count, id_of, minor, words
from tenancy.tables import grants, platform_metadata

OWN = "SELECT, INSERT, UPDATE, DELETE"

listing_price = Table(
    "listing_price",
    platform_metadata,
    id_of("merchant_id"),
    id_of("product_id"),
    words("currency"),
    minor("amount_minor"),
    PrimaryKeyConstraint("merchant_id", "product_id", "currency"),
    ForeignKeyConstraint(
        ["merchant_id", "product_id"], ["platform.listing.merchant_id", "platform.listing.product_id"]
    ),
    Index(None, "currency", "amount_minor", "product_id", "merchant_id"),
    info=grants(platform="SELECT", merchant=OWN, public="SELECT"),
)
"""The lowest price of a listing's variants in each currency: what lists sort and filter by. The reference tells
PostgreSQL's planner that each has exactly one listing; without it pages by price were read as a whole."""

listing_stock = Table(
    "listing_stock",
    platform_metadata,
    id_of("merchant_id"),
    id_of("variant_id"),
    id_of("product_id"),
    count("available"),
    PrimaryKeyConstraint("merchant_id", "variant_id"),
    ForeignKeyConstraint(
        ["merchant_id", "product_id"], ["platform.listing.merchant_id", "platform.listing.product_id"]
    ),
    Index(None, "merchant_id", "product_id"),
    info=grants(platform="SELECT", merchant=OWN, public="SELECT"),
)
"""How many of a listed variant can be ordered, changed in the transactions that change its stock."""

search_word = Table(
    "search_word",
    platform_metadata,
    Column("word", Text(collation="C"), primary_key=True),
    Column("keys", ARRAY(Integer), nullable=False),
    Index(None, "keys", postgresql_using="gin"),
    info=grants(platform="SELECT, INSERT", public="SELECT"),
)
"""Words of listings that a mistyped word is corrected to. A job of the platform's writes them, so that no merchant's
transaction waits for another's."""
