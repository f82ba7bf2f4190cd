"""Several writes in one round trip are one statement, and no role survives the savepoint it was taken in."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DataError, DBAPIError

from merchantry.tables.merchant import daily_total, ledger_entry, product, variant
from merchantry.tables.platform import NOBODY, job
from tenancy.database import Database, sqlstate
from tenancy.schemas import schema_of
from tenancy.writes import Added, Changed, Gone, New, write
from tests.builders import NOON, a_merchant, a_shop, some_merchants
from tests.statements import sent_to
from tests.tenancy.test_database import WHO

FOREIGN_KEY_VIOLATION = "23503"


class Kind(StrEnum):
    """Texts with a type of their own."""

    TRIAL = "trial"


def a_job(subject_id: UUID) -> New:
    """Work that nobody does."""
    row = {"merchant_id": NOBODY, "kind": "x", "subject_id": subject_id, "due_at": NOON, "attempts": 0}
    return New(job, row)


def a_product(product_id: UUID) -> New:
    """A draft without variants."""
    texts = {"title": "Kite", "description": "", "category": "toys", "status": "draft", "image_urls": ["a", "b"]}
    return New(product, {"id": product_id, **texts, "created_at": NOON, "updated_at": NOON})


def a_variant(variant_id: UUID, product_id: UUID, sku: str) -> New:
    """Three pieces on hand."""
    row = {"id": variant_id, "product_id": product_id, "sku": sku, "title": "", "position": 0}
    return New(variant, {**row, "on_hand": 3, "reserved": 0})


async def test_writes_go_in_together_in_one_statement(database: Database) -> None:
    kites = await a_merchant(database)
    product_id, first, second = uuid4(), uuid4(), uuid4()
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        with sent_to(database) as sent:
            variants = (a_variant(first, product_id, "A"), a_variant(second, product_id, "B"))
            await write(session, a_product(product_id), *variants)
            changes = (
                Changed(variant, {"id": first}, {"on_hand": 9}),
                Changed(variant, {"id": second}, {"on_hand": 8, "title": "Big"}),
            )
            await write(session, *changes)
        assert len(sent) == 3  # the role is taken with the first
        rows = await session.execute(select(variant.c.sku, variant.c.on_hand, variant.c.title).order_by(variant.c.sku))
        assert [tuple(row) for row in rows] == [("A", 9, ""), ("B", 8, "Big")]


ODD_TEXTS = ["", "NULL", "null", '{"a"}', "\\x00", "'; --", "a\nb\t", "naïve 🪁", "{}", "[1]", "1.50", "\u2028"]


async def test_texts_go_in_as_they_are(database: Database) -> None:
    kites = await a_merchant(database)
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        rows = [New(product, {**a_product(uuid4()).row, "title": text, "image_urls": ODD_TEXTS}) for text in ODD_TEXTS]
        await write(session, *rows)
        found = await session.execute(select(product.c.id, product.c.title, product.c.image_urls))
        titles = {row.id: (row.title, row.image_urls) for row in found}
    assert titles == {row.row["id"]: (row.row["title"], ODD_TEXTS) for row in rows}


async def test_values_of_every_kind_go_in_as_they_are(database: Database) -> None:
    kites = await a_merchant(database)
    entry = {
        "seq": 2**63 - 1,
        "kind": Kind.TRIAL,
        "order_id": uuid4(),
        "occurred_at": datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=ZoneInfo("Asia/Kolkata")),
        "booked_at": NOON,
        "available_at": None,
        "account": ["a, b", '"c"'],
        "currency": ["BRL", "BRL"],
        "amount": [2**53 + 1, -(2**53) - 1],
        "details": {"a": [1, True, None, {"é": '\\"'}], "texts": ODD_TEXTS, "empty": {}},
        "salt": bytes(range(32)),
    }
    total = {"orders": 2, "goods_minor": -5, "shipping_minor": 0, "commission_minor": 1, "refunds_minor": 0}
    key = {"day": date(2026, 2, 28), "currency": "BRL", "category": "*"}
    line = Added(daily_total, key, {**total, "commission_returned_minor": 0})
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        await write(session, New(ledger_entry, entry), line, line)
        (found,) = await session.execute(select(*(ledger_entry.c[name] for name in entry)))
        (summed,) = await session.execute(select(daily_total.c.day, daily_total.c.orders, daily_total.c.goods_minor))
    assert found._asdict() == entry
    assert tuple(summed) == (date(2026, 2, 28), 4, -10)


@pytest.mark.parametrize("title", ["a\0b", "\ud800", 2**70], ids=["NUL", "surrogate", "integer"])
async def test_what_no_column_can_hold_is_refused_as_a_database_refuses_it(database: Database, title: Any) -> None:
    kites = await a_merchant(database)
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        with pytest.raises(DataError):
            async with session.savepoint():
                await write(session, New(product, {**a_product(uuid4()).row, "title": title}))
        assert await session.scalar(select(func.count()).select_from(product)) == 0


async def test_what_is_gone_is_gone_and_what_is_new_is_there(database: Database) -> None:
    old, new = uuid4(), uuid4()
    async with database.write("test") as tx, tx.as_platform() as session:
        await write(session, a_job(old))
        await write(session, Gone(job, {"merchant_id": NOBODY, "kind": "x", "subject_id": old}), a_job(new))
        assert list((await session.execute(select(job.c.subject_id))).scalars()) == [new]


async def test_writes_together_are_all_or_nothing(database: Database) -> None:
    kites = await a_merchant(database)
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        with pytest.raises(DBAPIError) as refusal:
            async with session.savepoint():
                await write(session, a_product(uuid4()), a_variant(uuid4(), uuid4(), "A"))
        assert sqlstate(refusal.value) == FOREIGN_KEY_VIOLATION
        assert await session.scalar(select(func.count()).select_from(product)) == 0


async def test_a_role_taken_inside_a_savepoint_that_is_rolled_back_is_taken_anew(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop(), a_shop())

    class GiveUp(Exception):
        """The savepoint is rolled back."""

    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        with pytest.raises(GiveUp):
            async with session.savepoint(), tx.as_merchant(boats.id):
                raise GiveUp
        async with tx.as_merchant(boats.id) as at_boats:
            assert (await at_boats.execute(WHO)).scalar_one() == schema_of(boats.id)
        async with tx.as_merchant(kites.id) as at_kites:
            assert (await at_kites.execute(WHO)).scalar_one() == schema_of(kites.id)


async def test_who_a_transaction_is_already_it_does_not_become_again(database: Database) -> None:
    kites = await a_merchant(database)
    with sent_to(database) as sent:
        async with database.write("test") as tx:
            for _ in range(3):
                async with tx.as_merchant(kites.id) as session:
                    assert (await session.execute(WHO)).scalar_one() == schema_of(kites.id)
            async with tx.as_platform() as platform:
                await platform.execute(WHO)
            async with tx.as_merchant(kites.id) as session:
                assert (await session.execute(WHO)).scalar_one() == schema_of(kites.id)
    assert sum("set_config('role'" in statement for statement in sent) == 3
