"""How a command works with the database: one event loop, one small pool, closed at its end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from merchantry.cli.installation import Installation, utc_now
from merchantry.domain.act import Act
from tenancy.database import Database, PlatformSession

T = TypeVar("T")

ACTOR = "system:command"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def now() -> Act:
    """What an operator does at the command line, at this moment."""
    at = utc_now()
    return Act(ACTOR, at, at)


def with_database(opened: Installation, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``work`` with a database of its own."""

    async def run() -> T:
        database = Database(opened.logins, pool_size=4)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def as_platform(opened: Installation, work: Callable[[PlatformSession], Awaitable[T]]) -> T:
    """Run ``work`` in one transaction of the platform."""

    async def run(database: Database) -> T:
        async with database.write(ACTOR) as tx, tx.as_platform() as session:
            return await work(session)

    return with_database(opened, run)


def progress_bar() -> Progress:
    """How far a long command has come, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: by an exception, so that everything that was opened is closed."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """In a running event loop: the first signal calls ``stop``, which lets what is under way come to its end."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
