"""Commission by merchant and month over all merchants: from the rollups that reports read, and from the postings."""

import asyncio
import gc
import time
from datetime import date
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import DateTime, Text, bindparam, cast, func, literal_column, select

from benchmarks.installation import Installation, installed, provisioned
from benchmarks.measuring import Options, facts, ms, parse_options, show, times, told
from merchantry.domain.ledger import Account, EntryKind
from merchantry.services.report import Dimension, commission_by
from merchantry.tables.merchant import ledger_entry
from tenancy.across import Across, read_across
from tenancy.database import Database
from tenancy.principals import Merchant
from tenancy.schemas import ANALYST, MARK, schema_of

SIZES, QUICK_SIZES = (10, 100, 1_000), (10, 100)
RUNS, FEW_RUNS = 11, 3
AT_ONCE = 100
"""Merchants that are made before it is told how many there are."""
DAYS, ORDERS_A_DAY = 60, (1, 10)
SPAN = {"date_from": date(2026, 1, 1), "date_to": date(2026, 12, 31)}
ENTRIES = f"""
INSERT INTO __merchant__.ledger_entry (seq, kind, order_id, occurred_at, booked_at, account, currency, amount, details,
    salt)
SELECT n + 1, '{EntryKind.CAPTURE}', gen_random_uuid(), at, at,
    ARRAY['{Account.BUYER_FUNDS}', '{Account.MERCHANT_PENDING}', '{Account.PLATFORM_COMMISSION}'],
    ARRAY['BRL', 'BRL', 'BRL'], ARRAY[-(10000 + n), 9000 + n - mod(n, 7), 1000 + mod(n, 7)], '{{}}', sha256('salt')
FROM generate_series(0, {DAYS} * %(orders)s - 1) AS n,
    LATERAL (SELECT timestamptz '2026-01-20 12:00:00+00' + n / %(orders)s * interval '1 day') AS day(at)
"""  # noqa: S608 (constants only)
ROLLUP = f"""
INSERT INTO __merchant__.daily_total (day, currency, category, orders, goods_minor, shipping_minor, commission_minor,
    refunds_minor, commission_returned_minor)
SELECT (occurred_at AT TIME ZONE 'UTC')::date, 'BRL', '*', count(*), -sum(amount[1]), 0, sum(amount[3]), 0, 0
FROM __merchant__.ledger_entry GROUP BY 1;
GRANT SELECT ON __merchant__.ledger_entry TO {ANALYST};
ANALYZE __merchant__.ledger_entry, __merchant__.daily_total;
"""  # noqa: S608 (constants only)


def main() -> None:
    """Measure and print."""
    options = parse_options()
    rows: list[tuple[str, ...]] = []
    owner = ""
    for orders in ORDERS_A_DAY:
        with installed(options) as installation:
            owner = installation.logins.owner
            merchants: list[Merchant] = []
            for size in options.sizes(SIZES, QUICK_SIZES):
                _grow(installation, merchants, size, orders)
                rows.append(asyncio.run(_measure(installation, merchants, orders, options)))
                told(" ".join(rows[-1]))
            if orders == ORDERS_A_DAY[-1]:
                measured = facts(owner, options)
    show(
        f"Commission by merchant and month of {DAYS} days, from rollups and from the postings of every entry",
        measured,
        ("merchants", "entries of each", "rollups", "postings", "postings / rollups"),
        rows,
        "Both in one snapshot as the analyst, kept planned; the third time each, medians of several. The analyst has\n"
        "no right to entries but here. The answers are compared first.",
    )


def by_postings() -> Across:
    """What the rollup's column of commission says, of the entries."""
    entry = ledger_entry.alias("e")
    unnested = func.unnest(entry.c.account, entry.c.currency, entry.c.amount)
    posting = unnested.table_valued("account", "currency", "amount", name="posting").render_derived()
    midnight = cast(func.timezone("UTC", entry.c.occurred_at), DateTime())
    month = cast(func.to_char(midnight, literal_column("'YYYY-MM'")), Text).label("month")
    currency = cast(posting.c.currency, Text).label("currency")
    since, until = (bindparam(name, type_=DateTime(timezone=True)) for name in SPAN)
    columns = [month, currency, func.sum(posting.c.amount).label("commission_minor")]
    statement = (
        select(*columns)
        .select_from(entry.join(posting, literal_column("true")))
        .where(entry.c.occurred_at >= since, entry.c.occurred_at < until)
        .where(posting.c.account == literal_column(f"'{Account.PLATFORM_COMMISSION}'"))
        .group_by(month.element, currency.element)
    )
    return Across(statement, ("month", "currency"), ("commission_minor",))


def _grow(installation: Installation, merchants: list[Merchant], size: int, orders: int) -> None:
    """Make merchants with their entries until there are so many."""
    while missing := size - len(merchants):
        first = len(merchants) + 1
        more = provisioned(installation.logins, range(first, first + min(missing, AT_ONCE)))
        with psycopg.connect(installation.logins.owner, autocommit=True) as connection:
            for merchant in more:
                schema = schema_of(merchant.id)
                connection.execute(ENTRIES.replace(MARK, schema).encode(), {"orders": orders})
                connection.execute(ROLLUP.replace(MARK, schema).encode())
        merchants += more
        told(f"{len(merchants):,} merchants")


async def _measure(
    installation: Installation, merchants: list[Merchant], orders: int, options: Options
) -> tuple[str, ...]:
    database = Database(installation.logins)
    ids = [merchant.id for merchant in merchants]
    ways = (commission_by([Dimension.MERCHANT, Dimension.MONTH]), by_postings())
    found: list[list[float]] = [[], []]
    gc.collect()
    gc.freeze()  # as the server does
    try:
        for run in range(2 + (FEW_RUNS if options.quick else RUNS)):
            answers = []
            for figures, across in zip(found, ways, strict=True):
                started = time.perf_counter()
                merged = await read_across(database, across, ids, parameters=SPAN)
                if run > 1:
                    figures.append(time.perf_counter() - started)
                answers.append(sorted(map(_commission, merged.rows)))
            if answers[0] != answers[1]:
                raise RuntimeError("rollups and postings say differently")
    finally:
        await database.close()
    rollups, postings = map(median, found)
    return f"{len(ids):,}", str(orders * DAYS), ms(rollups), ms(postings), times(postings, rollups)


def _commission(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["merchant_id"], row["month"], row["currency"], row["commission_minor"]


if __name__ == "__main__":
    main()
