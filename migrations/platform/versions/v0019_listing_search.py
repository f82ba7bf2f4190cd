"""Listings are searched by words, prices and stock."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"

OWN = "SELECT, INSERT, UPDATE, DELETE"
SHARED = {"listing_price": OWN, "listing_stock": OWN}
"""What merchants write of their own and everybody reads."""

POLICIES = """
ALTER TABLE platform.{table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON platform.{table} TO merchantry_merchant
    USING (merchant_id = substr(current_user::text, 3)::uuid)
    WITH CHECK (merchant_id = substr(current_user::text, 3)::uuid);
CREATE POLICY everyone ON platform.{table} TO merchantry_platform, merchantry_public
    USING (true) WITH CHECK (true);
GRANT SELECT ON platform.{table} TO merchantry_platform, merchantry_public;
GRANT {rights} ON platform.{table} TO merchantry_merchant;
"""
AFTER = """
GRANT SELECT, INSERT ON platform.search_word TO merchantry_platform;
GRANT SELECT ON platform.search_word TO merchantry_public;
"""
FILL = """
UPDATE platform.listing SET
    title_key = left(lower(title), 100),
    document = setweight(to_tsvector('pg_catalog.simple', title), 'A')
        || setweight(to_tsvector('pg_catalog.simple', description), 'D');
INSERT INTO platform.listing_price (merchant_id, product_id, currency, amount_minor)
    SELECT merchant_id, product_id, price.key, min(price.value::bigint)
    FROM platform.listing, jsonb_array_elements(variants) AS variant, jsonb_each_text(variant -> 'prices') AS price
    GROUP BY merchant_id, product_id, price.key;
"""
"""What is listed already is found by whole words until ``merchantry listings index`` has visited its merchant."""


def upgrade() -> None:
    _listings()
    for table, rights in SHARED.items():
        op.execute(POLICIES.format(table=table, rights=rights))
    op.execute(AFTER)
    op.execute(FILL)


def _listings() -> None:
    op.add_column("listing", sa.Column("title_key", sa.Text(), server_default="", nullable=False), schema="platform")
    op.add_column(
        "listing", sa.Column("document", postgresql.TSVECTOR(), server_default="", nullable=False), schema="platform"
    )
    op.create_index(op.f("listing_title_key_product_id_idx"), "listing", ["title_key", "product_id"], schema="platform")
    op.create_index(op.f("listing_document_idx"), "listing", ["document"], schema="platform", postgresql_using="gin")
    op.create_table(
        "listing_price",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "product_id"],
            ["platform.listing.merchant_id", "platform.listing.product_id"],
            name=op.f("listing_price_merchant_id_product_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "product_id", "currency", name=op.f("listing_price_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("listing_price_currency_amount_minor_product_id_merchant_id_idx"),
        "listing_price",
        ["currency", "amount_minor", "product_id", "merchant_id"],
        schema="platform",
    )
    op.create_table(
        "listing_stock",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("available", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "product_id"],
            ["platform.listing.merchant_id", "platform.listing.product_id"],
            name=op.f("listing_stock_merchant_id_product_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "variant_id", name=op.f("listing_stock_pkey")),
        schema="platform",
    )
    op.create_index(
        op.f("listing_stock_merchant_id_product_id_idx"),
        "listing_stock",
        ["merchant_id", "product_id"],
        schema="platform",
    )
    op.create_table(
        "search_word",
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.PrimaryKeyConstraint("word", name=op.f("search_word_pkey")),
        schema="platform",
    )
    op.create_index(op.f("search_word_keys_idx"), "search_word", ["keys"], schema="platform", postgresql_using="gin")
