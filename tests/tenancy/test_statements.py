"""Statements that psycopg runs answer what SQLAlchemy's engine answers; what is remembered of them is forgotten."""

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Row, bindparam, func, insert, literal, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from merchantry.domain.permission import MerchantRole
from merchantry.tables import merchant, platform
from merchantry.tables.merchant import product, variant
from merchantry.tables.platform import NOBODY, job
from tenancy import statements
from tenancy.database import Database, Transaction, sqlstate
from tenancy.schemas import MARK, schema_of
from tests.builders import NOON, a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, ship
from tests.graphql_api.mall import open_mall
from tests.statements import sent_to

INSUFFICIENT_PRIVILEGE = "42501"

Read: TypeAlias = tuple[str, Sequence[Row[Any]], Sequence[Row[Any]]]


@asynccontextmanager
async def as_owner(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements SQLAlchemy runs."""
    engine = create_async_engine(make_url(database.logins.owner).set(drivername="postgresql+psycopg"))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def everything(tx: Transaction, connection: AsyncConnection, merchant_id: UUID) -> AsyncIterator[Read]:
    """Each table that the platform or the merchant may read, by psycopg and by SQLAlchemy."""
    for schema, metadata in ((None, platform.job.metadata), (schema_of(merchant_id), merchant.product.metadata)):
        options = {"schema_translate_map": {MARK: schema}} if schema else {}
        for table in metadata.sorted_tables:
            statement = select(table).order_by(*table.primary_key)
            expected = (await connection.execute(statement, execution_options=options)).all()
            async with tx.as_merchant(merchant_id) if schema else tx.as_platform() as session:
                try:
                    async with session.savepoint():
                        yield table.name, (await session.execute(statement)).all(), expected
                except DBAPIError as error:
                    if sqlstate(error) != INSUFFICIENT_PRIVILEGE:
                        raise


async def test_every_column_of_every_table_is_read_as_sqlalchemy_reads_it(database: Database, tmp_path: Path) -> None:
    types = set[str]()
    async with open_mall(database, tmp_path) as mall:
        kites = await a_merchant(database)
        await mall.hire("olga", kites, MerchantRole.OWNER)
        bought = await buy(mall, "bea", a_line(kites, await a_product(database, kites, prices={"BRL": 10000})))
        await ship(mall, "olga", kites, bought["orders"][0]["id"])
        async with as_owner(database) as connection, database.read("test") as tx:
            async for name, found, expected in everything(tx, connection, kites.id):
                assert [shown(row) for row in found] == [shown(row) for row in expected], name
                types.update(type(value).__name__ for row in found for value in row)
    assert types >= {"UUID", "datetime", "str", "int", "bool", "bytes", "list", "dict", "NoneType"}


def shown(row: Row[Any]) -> list[tuple[str, type, Any]]:
    """Names, types and values."""
    return [(name, type(value), value) for name, value in zip(row._fields, row, strict=True)]


async def test_values_that_change_a_statements_text_and_names_that_need_quoting(database: Database) -> None:
    async with database.read("test") as tx, tx.as_platform() as session:
        for given in ([1], [1, 2], [1, 2, 3]):
            several = select(func.unnest(bindparam("all_of_them")).label("n")).subquery()
            found = await session.execute(select(several.c.n).where(several.c.n.in_(given)), {"all_of_them": [1, 2, 3]})
            assert list(found.scalars()) == given
        row = (await session.execute(select(func.upper("50% of %(x)s").label("a b")))).one()
        assert row._mapping["a b"] == "50% OF %(X)S"
        assert await session.scalar(text("SELECT '100%' || :what"), {"what": " $1"}) == "100% $1"


async def test_many_rows_go_in_at_once_and_come_back_where_they_are_returned(database: Database) -> None:
    rows = [
        {"merchant_id": NOBODY, "kind": "x", "subject_id": uuid4(), "due_at": NOON, "attempts": 0} for _ in range(3)
    ]
    async with database.write("test") as tx, tx.as_platform() as session:
        with sent_to(database) as sent:
            found = await session.execute(insert(job).returning(job.c.subject_id), rows)
        assert set(found.scalars()) == {row["subject_id"] for row in rows}
        assert (len(sent), found.rowcount) == (2, 3)  # the role is taken with it


async def test_what_a_shape_was_first_met_with_is_forgotten_and_so_are_the_shapes_that_there_is_no_room_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "LENGTH", 3_000)
    narrow = Database(database.logins, pool_size=1)
    async with narrow.read("test") as tx, tx.as_platform() as session:
        for number in range(100):
            await session.execute(select(literal(number).label(f"n{number}"), *[literal(number)] * 10))
    gc.collect()
    assert len(narrow.statements._met) <= len(narrow.statements._shapes) < 30
    await narrow.close()


async def test_a_shape_is_compiled_once_and_statements_are_forgotten(database: Database) -> None:
    kites = await a_merchant(database)
    await a_product(database, kites)
    async with database.read("test") as tx, tx.as_merchant(kites.id) as session:
        known = len(database.statements._shapes)
        for number in range(50):
            await session.execute(select(variant.c.id).where(variant.c.on_hand > number))
        assert len(database.statements._shapes) == known + 1
        constant = select(product.c.id)
        for _ in range(3):
            await session.execute(constant)
        gc.collect()
        met = set(database.statements._met)
        assert constant in met
        assert len(met) < 10 + known
