"""What a client is told where the database can't do at this moment what was asked."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from graphql_api.outages import outage
from merchantry.domain.errors import Busy, Overloaded, TookTooLong, Unavailable
from tenancy.database import Database
from tests.builders import a_merchant


async def error_of(database: Database, statement: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as raised:
        async with database.write("test") as tx, tx.as_platform() as session:
            await session.execute(text(statement))
    return raised.value


async def test_a_statement_that_takes_too_long_says_to_ask_for_less(database: Database) -> None:
    hasty = Database(database.logins, pool_size=1, statement_timeout_ms=20)
    assert isinstance(outage(await error_of(hasty, "SELECT pg_sleep(5)")), TookTooLong)
    await hasty.close()


async def test_a_row_that_others_hold_says_to_repeat(database: Database) -> None:
    await a_merchant(database)
    hasty = Database(database.logins, pool_size=1, lock_timeout_ms=20)
    held = "SELECT 1 FROM platform.merchant FOR UPDATE"
    async with database.write("test") as tx, tx.as_platform() as session:
        await session.execute(text(held))
        assert isinstance(outage(await error_of(hasty, held)), Busy)
    await hasty.close()


async def test_a_connection_that_breaks_and_a_server_that_is_away_say_to_repeat(database: Database) -> None:
    broken = await error_of(
        database, "SELECT pg_terminate_backend(pg_backend_pid()) FROM set_config('role', 'none', true)"
    )
    assert isinstance(outage(broken), Unavailable)
    url = make_url(database.logins.app).set(query={}, host="127.0.0.1", port=1)
    away = Database(replace(database.logins, app=url.render_as_string(hide_password=False)))
    assert isinstance(outage(await error_of(away, "SELECT 1")), Unavailable)
    await away.close()


async def test_no_connection_left_says_that_too_much_is_done_at_once(database: Database) -> None:
    engine = create_async_engine(database.logins.app, pool_size=1, max_overflow=0, pool_timeout=0.01)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(engine.connect())
        with pytest.raises(SQLAlchemyError) as raised:
            await stack.enter_async_context(engine.connect())
    assert isinstance(outage(raised.value), Overloaded)
    await engine.dispose()


async def test_a_mistake_of_ours_is_no_outage(database: Database) -> None:
    assert outage(await error_of(database, "SELECT nonsense")) is None
    assert outage(ValueError("nonsense")) is None
