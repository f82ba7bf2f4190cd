"""What a pooler shows of itself to whoever connects: a process number that is not the server's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import make_url

from tenancy.logins import Logins

KEY_DATA = b"K\x00\x00\x00\x0c"
"""How a BackendKeyData message of twelve bytes begins: the process's number follows."""


@asynccontextmanager
async def behind_a_pooler(logins: Logins, directory: Path) -> AsyncIterator[Logins]:
    """The same logins, by way of something that passes everything on but that number.

    Whoever connected has closed its connections at the end.
    """
    url = make_url(logins.app)
    name = f".s.PGSQL.{url.query.get('port') or url.port or 5432}"
    there = Path(str(url.query["host"])) / name

    open_ones: set[asyncio.Task[None] | None] = set()

    async def connected(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        open_ones.add(asyncio.current_task())
        server, to_server = await asyncio.open_unix_connection(there)
        await asyncio.gather(_pass_on(client, to_server), _pass_on(server, to_client))

    async with await asyncio.start_unix_server(connected, directory / name):
        here = {"host": str(directory)}
        app, analyst = (make_url(each).update_query_dict(here) for each in (logins.app, logins.analyst))
        yield replace(
            logins,
            app=app.render_as_string(hide_password=False),
            analyst=analyst.render_as_string(hide_password=False),
        )
        await asyncio.gather(*filter(None, open_ones))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    is_greeted = False
    while data := await source.read(65_536):
        at = -1 if is_greeted else data.find(KEY_DATA)
        if at >= 0:
            is_greeted = True
            number = at + len(KEY_DATA)
            data = data[:number] + bytes(4) + data[number + 4 :]
        target.write(data)
        await target.drain()
    target.close()
