"""What benchmarks share: their options, and how they print figures beside baselines."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from rich.console import Console
from rich.table import Table

WIDTH = 120


@dataclass(frozen=True)
class Options:
    """``quick`` measures less; ``durable`` leaves fsync on; ``profile`` prints where the server's time goes.

    ``merchants`` are how many to measure with, where that is one number.
    """

    quick: bool
    durable: bool
    profile: bool
    merchants: int

    def sizes(self, full: Sequence[int], quick: Sequence[int]) -> Sequence[int]:
        """What to measure at."""
        return quick if self.quick else full


def parse_options() -> Options:
    """The options of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer runs")
    parser.add_argument("--durable", action="store_true", help="leave fsync on")
    parser.add_argument("--profile", action="store_true", help="profile the server process as well, where there is one")
    parser.add_argument("--merchants", type=int, help="how many, where a benchmark measures with one number of them")
    given = parser.parse_args()
    return Options(given.quick, given.durable, given.profile, given.merchants or (100 if given.quick else 1_000))


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def facts(owner_url: str, options: Options) -> str:
    """The machine and the software that the figures belong to."""
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT current_setting('server_version'), current_setting('fsync')").fetchone()
    version, fsync = row or ("?", "?")
    quick = ", --quick" if options.quick else ""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, PostgreSQL {version}, fsync {fsync}, synchronous_commit on{quick}"
    )


def told(what: str) -> None:
    """Say on standard error what is being done; some of it takes minutes."""
    print(what, file=sys.stderr, flush=True)


def show(title: str, facts_line: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Print one table; the first column is text, the others are figures."""
    table = Table()
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(f"[bold]{title}[/bold]")
    console.print(facts_line)
    console.print(table)
    if note:
        console.print(note)
    console.print()


def times(figure: float, baseline: float) -> str:
    """``figure`` as a multiple of ``baseline``."""
    return f"{figure / baseline:.2f} ×"


def ms(figure: float) -> str:
    """Seconds as milliseconds."""
    return f"{figure * 1000:,.1f} ms"
