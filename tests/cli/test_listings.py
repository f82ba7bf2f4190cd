"""`merchantry listings index`: what the mall finds listings by, made anew from what merchants have."""

import asyncio

import psycopg

from tenancy.database import Database
from tests.builders import a_product, a_shop, some_merchants
from tests.cli.running import Shell

LISTED = """
SELECT m.slug, l.title, l.title_key, l.document::text, l.variants::text
FROM platform.listing l JOIN platform.merchant m ON m.id = l.merchant_id ORDER BY m.slug, l.title
"""
SPOIL = (
    "UPDATE platform.listing SET title_key = '', document = '', variants = '[]' WHERE title = 'Red kite'",
    "CREATE TEMPORARY TABLE gone AS SELECT product_id FROM platform.listing WHERE title IN ('Kayak', 'Hidden')",
    "DELETE FROM platform.listing_price WHERE product_id IN (TABLE gone)",
    "DELETE FROM platform.listing_stock WHERE product_id IN (TABLE gone)",
    "DELETE FROM platform.listing WHERE product_id IN (TABLE gone)",
)


async def a_mall(shell: Shell) -> None:
    """Two merchants that sell, one of them with a draft too, and one that will be suspended."""
    database = Database(shell.logins, pool_size=2)
    kites, boats, hidden = await some_merchants(database, *(a_shop(slug) for slug in ("kites", "boats", "hidden")))
    for merchant, title in ((kites, "Red kite"), (boats, "Kayak"), (hidden, "Hidden")):
        await a_product(database, merchant, title=title)
    await a_product(database, kites, title="A draft", is_published=False)
    await database.close()


def test_what_was_lost_or_spoilt_is_listed_as_merchants_have_it(shell: Shell) -> None:
    asyncio.run(a_mall(shell))
    with psycopg.connect(shell.logins.owner, autocommit=True) as owner:
        before = owner.execute(LISTED).fetchall()
        assert [row[:2] for row in before] == [("boats", "Kayak"), ("hidden", "Hidden"), ("kites", "Red kite")]
        owner.execute("UPDATE platform.merchant SET status = 'suspended' WHERE slug = 'hidden'")
        for spoil in SPOIL:
            owner.execute(spoil.encode())
        assert shell.done("listings", "index").strip() == "2 listings written."
        assert owner.execute(LISTED).fetchall() == [row for row in before if row[0] != "hidden"]
        assert shell.done("listings", "index").strip() == "2 listings written."


def test_an_empty_mall_has_nothing_to_list(shell: Shell) -> None:
    assert shell.done("listings", "index").strip() == "0 listings written."
