"""Settling: every week of the real orders against what must be payable, and how a run grows."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.installation import an_act, installed, provisioned
from benchmarks.measuring import Options, facts, parse_options, show
from benchmarks.olist_import import DATA, Stages, a_vault, some_of
from merchantry.domain.plan_document import plan_from_json
from merchantry.gateways.sandbox import Sandbox
from merchantry.imports.olist.model import read
from merchantry.imports.olist.run import WORKERS, run
from merchantry.jobs import settlement
from merchantry.jobs.settlement import Tally
from merchantry.jobs.tools import Tools
from merchantry.services.verification import merchants_to_verify, verify_books
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.schemas import MARK, schema_of

SIZES = ((100, 10), (1_000, 1), (1_000, 5), (100, 50))
QUICK_SIZES = ((20, 10), (100, 2), (100, 10))
"""Merchants, and orders of each that became available in one week."""

WEEK = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNT = """
INSERT INTO __merchant__.payee_account
    (id, kind, currency, shown, sealed, status, usable_from, created_at, created_by)
VALUES (gen_random_uuid(), 'bank', 'BRL', '•••• 1234', '\\x00', 'verified', '1970-01-01', '1970-01-01', 'system:test')
"""
FILL = """
INSERT INTO __merchant__.ledger_entry
    (seq, kind, occurred_at, booked_at, available_at, account, currency, amount, details, salt)
SELECT n, 'release', moment, moment, moment, ARRAY['merchant_pending', 'merchant_available'], ARRAY['BRL', 'BRL'],
       ARRAY[-8750, 8750], '{"commission_minor": 1250, "commission_tax_minor": 0}', decode(repeat('ab', 32), 'hex')
FROM (SELECT n, %s::timestamptz + n * interval '1 second' AS moment FROM generate_series(1, %s) AS n) AS numbered;
"""
BALANCES = """
INSERT INTO __merchant__.balance (account, currency, amount_minor)
VALUES ('merchant_pending', 'BRL', -8750 * %s), ('merchant_available', 'BRL', 8750 * %s)
"""
SEQ = "UPDATE __merchant__.counter SET value = %s WHERE name = 'entry'"
WEEKS = """
SELECT starts_on, (kinds -> 'release' ->> 0)::int, (kinds -> 'release' ->> 1)::bigint
FROM __merchant__.statement WHERE kinds ? 'release' ORDER BY starts_on
"""


def execute_in(connection: psycopg.Connection[Any], merchants: Sequence[UUID], text: str, *given: object) -> None:
    """The same statement in the schema of each merchant, as the owner."""
    for merchant_id in merchants:
        connection.execute(text.replace(MARK, schema_of(merchant_id)).encode(), given or None)


def tools_of(database: Database) -> Tools:
    """What a run works with; it asks nothing of anybody."""
    clock = lambda: datetime.now(UTC)  # noqa: E731
    return Tools(database, Sandbox(database, clock, ""), clock, a_vault())


async def settled(logins: Logins, until: datetime) -> tuple[Tally, float]:
    """One run over all merchants, and its seconds."""
    database = Database(logins, pool_size=WORKERS)
    try:
        began = time.perf_counter()
        tally = await settlement.run(tools_of(database), until, an_act())
        return tally, time.perf_counter() - began
    finally:
        await database.close()


async def imported(logins: Logins, quick: bool) -> list[dict[str, Any]]:
    """Import the real orders; returns what must be payable, week by week."""
    source, expected = read(DATA, datetime.now(UTC)), json.loads((DATA / "expected.json").read_text())
    if quick:
        source, expected = some_of(source, expected)
    plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
    database = Database(logins, pool_size=WORKERS)
    try:
        await run(database, a_vault(), source, plan, clock=lambda: datetime.now(UTC), progress=Stages())
    finally:
        await database.close()
    weeks: list[dict[str, Any]] = expected["weekly_payable"]
    return weeks


async def broken_books(logins: Logins) -> int:
    """How many laws the books of all merchants break."""
    database = Database(logins, pool_size=2)
    try:
        merchants = await merchants_to_verify(database)
        return sum([len(each.broken) async for each in verify_books(database, merchants)])
    finally:
        await database.close()


def real_orders(options: Options) -> int:
    """Settle with every merchant of the real orders. Returns 1 where a statement or a book is wrong."""
    if not DATA.is_dir():
        print(f"Settlement: no data in {DATA}, so only made-up orders are settled.")
        return 0
    with installed(options) as installation:
        owner = installation.logins.owner
        weeks = asyncio.run(imported(installation.logins, options.quick))
        with psycopg.connect(owner) as connection:
            slugs: dict[str, UUID] = dict(connection.execute("SELECT slug, id FROM platform.merchant").fetchall())
            execute_in(connection, list(slugs.values()), ACCOUNT)
        tally, took = asyncio.run(settled(installation.logins, datetime.now(UTC)))
        _, again = asyncio.run(settled(installation.logins, datetime.now(UTC)))
        wanted = [(each["merchant"], each["week_starting"], each["orders"], each["payable_minor"]) for each in weeks]
        found = []
        with psycopg.connect(owner) as connection:
            for slug in sorted({each[0] for each in wanted}):
                statements = connection.execute(WEEKS.replace(MARK, schema_of(slugs[slug])).encode())
                found += [(slug, starts_on.isoformat(), orders, payable) for starts_on, orders, payable in statements]
            sums = connection.execute(
                "SELECT count(*), coalesce(sum(amount_minor), 0)::bigint FROM platform.payout"
            ).fetchone()
        broken = asyncio.run(broken_books(installation.logins))
        rows = [
            ["merchants settled with", f"{tally.merchants:,}"],
            ["statements", f"{tally.statements:,}"],
            ["payouts", f"{tally.payouts:,} of {(sums or (0, 0))[1]:,} minor units"],
            ["one run over all weeks", f"{took:.1f} s"],
            ["the same again, nothing due", f"{again:.1f} s"],
            ["weeks against expected.json", "equal" if sorted(wanted) == sorted(found) else "DIFFERENT"],
            ["laws that the books break", f"{broken:,}"],
        ]
        show("Settlement of the real orders, weekly", facts(owner, options), ("", ""), rows)
        return int(sorted(wanted) != sorted(found) or broken > 0 or bool(tally.failures))


def growth(options: Options) -> None:
    """The same week for more merchants, and for more orders."""
    rows = []
    line = ""
    for merchants, orders in QUICK_SIZES if options.quick else SIZES:
        with installed(options) as installation:
            made = [merchant.id for merchant in provisioned(installation.logins, list(range(1, merchants + 1)))]
            with psycopg.connect(installation.logins.owner) as connection:
                execute_in(connection, made, ACCOUNT)
                execute_in(connection, made, FILL, WEEK, orders)
                execute_in(connection, made, BALANCES, orders, orders)
                execute_in(connection, made, SEQ, orders)
            tally, took = asyncio.run(settled(installation.logins, WEEK + timedelta(days=7)))
            line = line or facts(installation.logins.owner, options)
            per_merchant, per_order = took / merchants * 1000, took / (merchants * orders) * 1000
            figures = [f"{took:.2f} s", f"{per_merchant:.1f} ms", f"{per_order:.2f} ms"]
            rows.append([f"{merchants:,}", f"{merchants * orders:,}", *figures, f"{tally.statements:,}"])
    show(
        "Settlement run: one week, one process, 4 merchants at a time",
        line,
        ("merchants", "orders", "run", "per merchant", "per order", "statements"),
        rows,
    )


def main() -> int:
    """Measure and print."""
    options = parse_options()
    growth(options)
    return real_orders(options)


if __name__ == "__main__":
    sys.exit(main())
