"""How a command works with the database: one event loop, one small pool, closed at its end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from merchantry.cli.installation import Installation, utc_now
from merchantry.domain.act import Act
from tenancy.database import Database, PlatformSession

T = TypeVar("T")

ACTOR = "system:command"
PIPE_WIDTH = 1_000
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

    return run_async(run())


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; SIGINT and SIGTERM cancel it, and SystemExit is raised once it is gone.

    A signal's handler must not raise by itself while a loop runs: where it strikes inside a weak reference's callback,
    Python drops the exception and the signal is lost.
    """

    async def run() -> T:
        received: list[int] = []
        task = asyncio.current_task()

        def cancel(number: int) -> None:
            received.append(number)
            if task:
                task.cancel()

        with on_signals(cancel):
            try:
                return await work
            except asyncio.CancelledError:
                if received:
                    raise SystemExit(128 + received[0]) from None
                raise

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


def show(table: Table) -> None:
    """Print a table: as wide as the terminal, and whole where another program reads it."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: by an exception, so that everything that was opened is closed.

    Loops that run inside it need :func:`run_async` or :func:`on_signals`.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def on_signals(act: Callable[[int], None]) -> Iterator[None]:
    """In a running event loop: SIGINT and SIGTERM call ``act`` with their number, between two steps of the loop."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, act, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
