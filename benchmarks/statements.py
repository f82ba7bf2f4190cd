"""What a statement and a transaction cost the program: our sessions, SQLAlchemy's engine, psycopg alone, taking turns.

Processor time of this process for each of them, not the database's; the least of several rounds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import psycopg
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.installation import installed, provisioned
from benchmarks.measuring import facts, parse_options, show, times
from benchmarks.orders import fill
from merchantry.tables.merchant import order_line, orders
from tenancy.database import Database
from tenancy.logins import Logins, derive
from tenancy.schemas import MARK, schema_of

Ask = Callable[[], Awaitable[object]]
ONE = select(orders.c.id, orders.c.number).limit(1)
PAGE = select(order_line).limit(250)
BECOME = text("SELECT set_config('role', :role, true)")


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        (merchant,) = provisioned(installation.logins, [1])
        fill(installation.logins.owner, merchant, 500)
        rounds, repeats = (5, 50) if options.quick else (20, 200)
        found = asyncio.run(_measured(derive(installation.logins.owner), merchant.id, rounds, repeats))
        columns = ("", "ours", "SQLAlchemy's engine", "psycopg", "ours / engine", "ours / psycopg")
        rows = [
            (name, *(f"{each * 1e6:,.0f} µs" for each in costs), times(costs[0], costs[1]), times(costs[0], costs[2]))
            for name, costs in found.items()
        ]
        show("Processor time of a statement", facts(installation.logins.owner, options), columns, rows)


async def _measured(logins: Logins, merchant_id: UUID, rounds: int, repeats: int) -> dict[str, list[float]]:
    """Seconds for each kind of work, by ways."""
    schema = schema_of(merchant_id)
    one = "SELECT id, number FROM __merchant__.orders LIMIT 1".replace(MARK, schema)
    database, engine = Database(logins), create_async_engine(logins.app, connect_args={"prepare_threshold": None})
    options = {"schema_translate_map": {MARK: schema}}

    async def ours() -> None:
        async with database.read("bench") as tx, tx.as_merchant(merchant_id) as merchant:
            (await merchant.execute(ONE)).all()

    async def in_one() -> None:
        async with database.read("bench") as tx, tx.as_merchant(merchant_id) as merchant:
            (await merchant.finish(ONE)).all()

    async def engines() -> None:
        async with engine.connect() as connection, connection.begin():
            await connection.execute(BECOME, {"role": schema})
            (await connection.execute(ONE, execution_options=options)).all()

    async def bare() -> None:
        async with alone.transaction():
            await alone.execute("SELECT set_config('role', %s, true)", [schema])
            await fetched(one)

    async def fetched(query: str) -> object:
        return await (await alone.execute(query)).fetchall()

    async with (
        await psycopg.AsyncConnection.connect(logins.listen, prepare_threshold=None) as alone,
        database.read("bench") as tx,
        tx.as_merchant(merchant_id) as session,
        engine.connect() as connection,
    ):
        found = {
            "a merchant's transaction that reads a row": await _least([ours, engines, bare], rounds, repeats),
            "the same, its statement with COMMIT": await _least([in_one, engines, bare], rounds, repeats),
        }
        await connection.execute(BECOME, {"role": schema})
        await alone.execute("SELECT set_config('role', %s, false)", [schema])
        for name, statement in (("one row", ONE), ("250 rows of 28 columns", PAGE)):
            compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})
            query = str(compiled).replace(MARK, schema)

            async def by_us(statement=statement) -> object:  # type: ignore[no-untyped-def]
                return (await session.execute(statement)).all()

            async def by_engine(statement=statement) -> object:  # type: ignore[no-untyped-def]
                return (await connection.execute(statement, execution_options=options)).all()

            async def by_psycopg(query: str = query) -> object:
                return await fetched(query)

            found[name] = await _least([by_us, by_engine, by_psycopg], rounds, repeats)
    await engine.dispose()
    await database.close()
    return found


async def _least(ways: list[Ask], rounds: int, repeats: int) -> list[float]:
    least = [float("inf")] * len(ways)
    for _ in range(rounds):
        for at, ask in enumerate(ways):
            began = time.process_time()
            for _ in range(repeats):
                await ask()
            least[at] = min(least[at], (time.process_time() - began) / repeats)
    return least


if __name__ == "__main__":
    main()
