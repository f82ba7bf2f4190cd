"""An additive revision over many merchants: our runner, and a plain loop over the same text."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from statistics import median

import psycopg

from benchmarks import migration_live
from benchmarks.installation import Installation, installed, provisioned
from benchmarks.measuring import Options, facts, ms, parse_options, seconds, show, times
from merchantry.tables.blueprint import blueprint
from tenancy.migrations import Pace, Revisions, migrate_merchants
from tenancy.principals import Merchant
from tenancy.schemas import MARK, schema_of

LOCKED_SECONDS = 1.5
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before}


def upgrade():
    {body}
"""
ADD = """op.add_column("orders", sa.Column("note_{number}", sa.Text()), schema="__merchant__")
    op.create_index("orders_note_{number}_idx", "orders", ["note_{number}"], schema="__merchant__")"""
DROP = "ALTER TABLE __merchant__.orders DROP COLUMN note_{number}"

Busy = Callable[[], AbstractContextManager[None]]


class Line:
    """Our line of merchant revisions, as far as these merchants have come, and one more whenever it is asked."""

    def __init__(self, directory: Path, *, is_new: bool = True) -> None:
        self.directory = directory
        if is_new:
            (directory / "versions").mkdir(parents=True)
            self._write(blueprint().version, None, "pass")
        self._newest = Revisions(directory).head

    def grown(self, number: int) -> tuple[Revisions, str]:
        """The revisions with another additive one at their end, and the SQL of that."""
        before, self._newest = self._newest, f"b{number:04}"
        self._write(self._newest, before, ADD.format(number=number))
        revisions = Revisions(self.directory)
        return revisions, revisions.render(before)

    def as_it_is(self) -> Revisions:
        """The revisions, all of them applied."""
        return Revisions(self.directory)

    def _write(self, revision: str, before: str | None, body: str) -> None:
        text = REVISION.format(revision=revision, before=repr(before), body=body)
        (self.directory / "versions" / f"v_{revision}.py").write_text(text)


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        merchants = provisioned(installation.logins, range(1, options.merchants + 1))
        rows = _measure(installation, merchants, options)
        show(
            f"Migration: one column and one index added for {len(merchants):,} merchants",
            facts(installation.logins.owner, options),
            ("", "our runner, 3 connections", "plain loop, 1 connection", "runner / loop"),
            rows,
            f"Locked: somebody holds the tables of two merchants for {LOCKED_SECONDS} s. The loop waits there,\n"
            "and everybody who wants those tables waits behind it; the runner lets go after 0.2 s and tries "
            "again.",
        )
        _show_live(installation, merchants, options)


def _show_live(installation: Installation, merchants: list[Merchant], options: Options) -> None:
    """Other tables: what requests wait for meanwhile, and what is left where it is killed."""
    owner = installation.logins.owner
    line, numbers = Line(installation.home / "revisions", is_new=False), count(10_001)

    def grow() -> object:
        return line.grown(next(numbers))

    usual_seconds = _run(owner, line.grown(next(numbers))[0], len(merchants), nullcontext)
    show(
        f"Orders pages of random merchants, one client, beside a migration of {len(merchants):,}",
        facts(owner, options),
        ("", "requests", "p50", "p99", "slowest"),
        migration_live.disturbed(installation, merchants, line.directory, grow, options),
        "Through the server, over HTTP on a Unix socket; 20 orders of five lines each.",
    )
    show(
        f"A migration of {len(merchants):,} merchants killed (SIGKILL) and run again",
        facts(owner, options),
        ("kills", "midway", "left by the killed", "the next run, at most", "left then", "schemas"),
        migration_live.killed(installation, line.directory, grow, usual_seconds, options),
        "Columns, indexes and constraints are compared with those of a merchant that is made and migrated at the end.",
    )


def _measure(installation: Installation, merchants: list[Merchant], options: Options) -> list[tuple[str, ...]]:
    owner, line, numbers = installation.logins.owner, Line(installation.home / "revisions"), count(1)
    schemas = sorted(str(schema_of(merchant.id)) for merchant in merchants)

    def ours(busy: Busy) -> float:
        revisions, _ = line.grown(next(numbers))
        return _run(owner, revisions, len(schemas), busy)

    def loop(busy: Busy) -> float:
        number = next(numbers)
        text = _alone(installation.home / f"alone_{number}", number)
        with psycopg.connect(owner) as connection:
            with busy():
                took = seconds(lambda: _loop(connection, text, schemas))
            _loop(connection, DROP.format(number=number), schemas)  # its index goes too: schemas are compared later
        return took

    def locked() -> AbstractContextManager[None]:
        return _locked(owner, (schemas[len(schemas) // 3], schemas[len(schemas) // 2]))

    found: list[tuple[str, ...]] = []
    for name, busy, runs in (("column and index", nullcontext, 5), ("two merchants locked", locked, 3)):
        figures: tuple[list[float], list[float]] = ([], [])
        for _ in range(1 if options.quick else runs):
            figures[0].append(ours(busy))
            figures[1].append(loop(busy))
        mine, plain = median(figures[0]), median(figures[1])
        found.append((name, ms(mine), ms(plain), times(mine, plain)))
    nothing = median(seconds(lambda: migrate_merchants(owner, line.as_it_is())) for _ in range(5))
    return [*found, ("nothing to do", ms(nothing), "", "")]


def _run(owner: str, revisions: Revisions, merchants: int, busy: Busy) -> float:
    outcomes = []
    with busy():
        took = seconds(lambda: outcomes.append(migrate_merchants(owner, revisions, pace=Pace())))
    if outcomes[0].migrated != merchants:
        raise RuntimeError(f"not all were migrated: {outcomes[0]}")
    return took


def _alone(directory: Path, number: int) -> str:
    """The same text as our runner's, for a column of another name."""
    return Line(directory).grown(number)[1]


def _loop(connection: psycopg.Connection[tuple[object, ...]], text: str, schemas: list[str]) -> None:
    for schema in schemas:
        connection.execute(text.replace(MARK, schema).encode())
        connection.commit()


@contextmanager
def _locked(owner: str, schemas: tuple[str, str]) -> Iterator[None]:
    """Somebody writes to these merchants' orders, and goes on for a while after the block began."""
    with psycopg.connect(owner) as connection:
        for schema in schemas:
            connection.execute(f"LOCK TABLE {schema}.orders IN ROW EXCLUSIVE MODE".encode())
        timer = threading.Timer(LOCKED_SECONDS, connection.rollback)
        timer.start()
        yield
        timer.join()


if __name__ == "__main__":
    main()
