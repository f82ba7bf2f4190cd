"""The commission report by merchant and month over all merchants, beside a single table and a statement per schema."""

import asyncio
import gc
import time
from datetime import date
from statistics import median
from typing import Any

import psycopg

from benchmarks.installation import Installation, Owner, installed, provisioned
from benchmarks.measuring import Options, facts, ms, parse_options, show, times, told
from benchmarks.memory import own_kilobytes
from merchantry.services.report import Dimension, commission_report
from tenancy.database import Database
from tenancy.principals import Merchant
from tenancy.schemas import ANALYST, MARK, schema_of

SIZES, QUICK_SIZES = (10, 100, 1_000, 5_000), (10, 100)
RUNS, FEW_RUNS, LARGE = 11, 5, 5_000
AT_ONCE = 100
"""Merchants that are made before it is told how many there are."""

DAYS = 60
SPANS = {7: (date(2026, 2, 1), date(2026, 2, 8)), DAYS: (date(2026, 1, 1), date(2026, 12, 31))}
"""By how many of the days fall in them."""

Span = tuple[date, date]
FIGURES = "orders, goods_minor, shipping_minor, commission_minor, refunds_minor, commission_returned_minor"
FILL = f"""
INSERT INTO __merchant__.daily_total (day, currency, category, {FIGURES})
SELECT date '2026-01-20' + n, 'BRL', category, 1 + n % 7, 10000 + 13 * n, 1000 + n, 1200 + n, n, n / 10
FROM generate_series(0, {DAYS - 1}) AS n, unnest(ARRAY['*', 'toys', 'books']) AS category
"""  # noqa: S608 (constants only)
SINGLE = f"""
CREATE SCHEMA single;
CREATE TABLE single.daily_total (merchant_id uuid, day date, currency text, category text,
    orders integer NOT NULL, goods_minor bigint NOT NULL, shipping_minor bigint NOT NULL,
    commission_minor bigint NOT NULL, refunds_minor bigint NOT NULL, commission_returned_minor bigint NOT NULL,
    PRIMARY KEY (merchant_id, day, currency, category));
GRANT USAGE ON SCHEMA single TO {ANALYST};
GRANT SELECT ON single.daily_total TO {ANALYST};
"""
COPY = f"""
INSERT INTO single.daily_total (merchant_id, day, currency, category, {FIGURES})
SELECT %s, day, currency, category, {FIGURES} FROM __merchant__.daily_total
"""  # noqa: S608 (constants only)
SUMS = ", ".join(f"sum({name})::bigint" for name in FIGURES.split(", "))
BY_MONTH = f"""
SELECT to_char(day::timestamp, 'YYYY-MM') AS month, currency, {SUMS} FROM __merchant__.daily_total
WHERE day >= %s AND day < %s AND category = '*' GROUP BY month, currency
"""  # noqa: S608 (constants only)
BY_MERCHANT_AND_MONTH = f"""
SELECT merchant.slug, to_char(day::timestamp, 'YYYY-MM') AS month, currency, {SUMS}
FROM single.daily_total JOIN platform.merchant ON merchant.id = merchant_id
WHERE day >= %s AND day < %s AND category = '*' GROUP BY merchant.slug, month, currency
ORDER BY merchant.slug, month, currency
"""  # noqa: S608 (constants only)
COLUMNS = (
    "merchants",
    "days",
    "",
    "ours",
    "one table, one scan",
    "a statement per schema",
    "ours / table",
    "ours / schemas",
    "backend",
)

Row = tuple[Any, ...]


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        with psycopg.connect(installation.logins.owner) as connection:
            connection.execute(SINGLE.encode())
        merchants: list[Merchant] = []
        rows: list[tuple[str, ...]] = []
        for size in options.sizes(SIZES, QUICK_SIZES):
            _grow(installation, merchants, size)
            for days, span in SPANS.items():
                rows += asyncio.run(_measure(installation, merchants, days, span, options))
        show(
            f"Commission report by merchant and month; {DAYS} days are kept, 3 rows per day and merchant",
            facts(installation.logins.owner, options),
            COLUMNS,
            rows,
            "All as the analyst. Cold: on new connections, connecting included. Warm: the third time. The three\n"
            "answers are compared first. Backend: megabytes of its own of the greatest of ours, after that.",
        )


def _fill(owner_url: str, merchants: list[Merchant]) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for merchant in merchants:
            schema = schema_of(merchant.id)
            connection.execute(FILL.replace(MARK, schema).encode())
            connection.execute(COPY.replace(MARK, schema).encode(), [merchant.id])
            connection.execute(f"ANALYZE {schema}.daily_total".encode())
        connection.execute("VACUUM ANALYZE single.daily_total")


def _grow(installation: Installation, merchants: list[Merchant], size: int) -> None:
    """Make merchants with their totals until there are so many."""
    while missing := size - len(merchants):
        first = len(merchants) + 1
        more = provisioned(installation.logins, range(first, first + min(missing, AT_ONCE)))
        _fill(installation.logins.owner, more)
        merchants += more
        told(f"{len(merchants):,} merchants")


async def _measure(
    installation: Installation, merchants: list[Merchant], days: int, span: Span, options: Options
) -> list[tuple[str, ...]]:
    database = Database(installation.logins)
    url = installation.logins.analyst.replace("postgresql+psycopg", "postgresql", 1)
    found: dict[str, list[list[float]]] = {kind: [[], [], []] for kind in ("cold", "second", "warm")}
    greatest = 0
    gc.collect()
    gc.freeze()  # as the server does
    try:
        for _ in range(FEW_RUNS if options.quick or len(merchants) >= LARGE else RUNS):
            await database.close()  # its pools open anew
            plain = _Plain(url, merchants, span), _Plain(url, merchants, span)
            ways = (lambda: _by_report(database, span), plain[0].by_scan, plain[1].by_schema)
            answers = []
            for figures in found.values():
                for position, way in enumerate(ways):
                    started = time.perf_counter()
                    answers.append(await way())
                    figures[position].append(time.perf_counter() - started)
            for each in plain:
                each.close()
            greatest = max(greatest, *own_kilobytes(installation, ANALYST), 0)
            if any(answer != answers[0] for answer in answers):
                raise RuntimeError("the three ways answer differently")
    finally:
        await database.close()
    del found["second"]
    return [
        (f"{len(merchants):,}", str(days), kind, *_shown(*map(median, figures)), f"{greatest / 1024:,.0f}")
        for kind, figures in found.items()
    ]


def _shown(ours: float, single: float, naive: float) -> tuple[str, ...]:
    return ms(ours), ms(single), ms(naive), times(ours, single), times(ours, naive)


async def _by_report(database: Database, span: Span) -> list[Row]:
    report = await commission_report(
        database, date_from=span[0], date_to=span[1], group_by=[Dimension.MERCHANT, Dimension.MONTH]
    )
    return [(row["merchant"], row["month"], row["currency"], *_figures(row)) for row in report.rows]


def _figures(row: dict[str, Any]) -> tuple[int, ...]:
    """The five that are shown; what was returned is within the net."""
    return tuple(row[name] for name in FIGURES.split(", ")[:-1])


class _Plain:
    """The baselines: one connection, opened when it is first needed, and one snapshot per answer."""

    def __init__(self, url: str, merchants: list[Merchant], span: Span) -> None:
        self._url = url
        self._merchants = merchants
        self._span = span
        self._connection: Owner | None = None

    async def by_scan(self) -> list[Row]:
        """The single table in one statement."""
        connection = self._begun()
        rows = connection.execute(BY_MERCHANT_AND_MONTH.encode(), self._span).fetchall()
        connection.rollback()
        return [row[:-1] for row in rows]

    async def by_schema(self) -> list[Row]:
        """Each schema's own statement in turn."""
        connection = self._begun()
        found: list[Row] = []
        for merchant in self._merchants:
            statement = BY_MONTH.replace(MARK, schema_of(merchant.id)).encode()
            rows = connection.execute(statement, self._span).fetchall()
            found += [(merchant.slug, *row[:-1]) for row in rows]
        connection.rollback()
        return sorted(found)

    def close(self) -> None:
        """Give the connection back."""
        if self._connection:
            self._connection.close()

    def _begun(self) -> Owner:
        if self._connection is None:
            self._connection = psycopg.connect(self._url)
        self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return self._connection


if __name__ == "__main__":
    main()
