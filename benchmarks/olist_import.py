"""All checkouts of the real data set through the importer, and its books compared with what they must say.

The data lies beside the repository, not in it. ``--quick`` takes the checkouts of some merchants only.
"""

import asyncio
import cProfile
import json
import pstats
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.installation import installed
from benchmarks.measuring import Options, facts, parse_options, show
from merchantry.domain.plan_document import plan_from_json
from merchantry.imports.olist.model import Sale, Source, read, slug_of
from merchantry.imports.olist.report import Report
from merchantry.imports.olist.run import WORKERS, Stage, run
from merchantry.services.report import Dimension, commission_report, settlement_report
from merchantry.services.vault import Vault
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.metrics import Ended

DATA = Path(__file__).parents[2] / "shared" / "data" / "olist"
QUICK_MERCHANTS = 100
TARGET_PER_SECOND = 50
FIGURES = ("orders", "goods_minor", "shipping_minor", "commission_minor")
FIRST, LAST = date.min, date.max

Expected = Mapping[str, Any]


@dataclass
class Stages:
    """How long each stage took (seconds) and how much it did."""

    began: dict[Stage, float] = field(default_factory=dict)
    ended: dict[Stage, float] = field(default_factory=dict)
    done: dict[Stage, int] = field(default_factory=dict)

    def begin(self, stage: Stage, total: int) -> None:
        """A stage begins."""
        self.began[stage] = self.ended[stage] = time.perf_counter()
        self.done[stage] = 0

    def advance(self, stage: Stage, done: int) -> None:
        """So many more are done."""
        self.done[stage] += done
        self.ended[stage] = time.perf_counter()

    def row(self, stage: Stage) -> list[str]:
        """One row of the table."""
        seconds = self.ended[stage] - self.began[stage]
        return [stage, f"{self.done[stage]:,}", f"{seconds:.1f} s", f"{self.done[stage] / seconds:,.1f}"]


@dataclass
class Cost:
    """Statements sent, and seconds of this process's processor."""

    statements: int = 0
    processor: float = 0.0


@cache
def a_vault() -> Vault:
    """The vault of this process, with a master key of its own."""
    ring = MasterKeys.generate("1")
    return Vault(lambda: ring)


async def measured(logins: Logins, source: Source, stages: Stages, cost: Cost) -> tuple[Report, Expected]:
    """Import, then ask the report service for everything that is compared."""
    plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
    database = Database(logins, pool_size=WORKERS)

    def count(_: str) -> Ended:
        cost.statements += 1
        return lambda _: None

    database.statements.watchers.append(count)
    try:
        began = time.process_time()
        report = await run(database, a_vault(), source, plan, clock=lambda: datetime.now(UTC), progress=stages)
        cost.processor = time.process_time() - began
        return report, await booked(database, report)
    finally:
        await database.close()


async def booked(database: Database, report: Report) -> Expected:
    """What the books say, in the form of ``expected.json``."""

    async def by(*dimensions: Dimension) -> list[dict[str, Any]]:
        return (await commission_report(database, date_from=FIRST, date_to=LAST, group_by=dimensions)).rows

    [total] = await by()
    payable = (await settlement_report(database, date_from=FIRST, date_to=LAST)).rows
    return {
        "checkouts": report.now.checkouts,
        "merchants": report.now.merchants,
        "merchant_orders": report.now.orders,
        "lines": report.now.lines,
        "checkouts_with_several_merchants": report.several_merchants,
        "payment_differs_from_order_total": len(report.payment_differs),
        **{name: total[name] for name in FIGURES[1:]},
        "by_month_of_capture": _keyed(await by(Dimension.MONTH), Dimension.MONTH, FIGURES),
        "by_category": _keyed(await by(Dimension.CATEGORY), Dimension.CATEGORY, ("goods_minor", "commission_minor")),
        "by_merchant": _keyed(await by(Dimension.MERCHANT), Dimension.MERCHANT, FIGURES),
        "weekly_payable": [
            {
                "merchant": row["merchant"],
                "week_starting": row["period_start"].isoformat(),
                "orders": row["orders"],
                "payable_minor": row["payable_minor"],
            }
            for row in payable
        ],
    }


def _keyed(rows: Sequence[Mapping[str, Any]], key: str, figures: Sequence[str]) -> dict[str, dict[str, int]]:
    return {row[key]: {name: row[name] for name in figures} for row in rows}


def some_of(source: Source, expected: Expected) -> tuple[Source, Expected]:
    """The checkouts in which only the first merchants sold, and what is expected of those that sold nowhere else."""
    chosen = set(source.seller_ids[:QUICK_MERCHANTS])
    kept = [sale for sale in source.sales if _sellers(sale) <= chosen]
    spoilt = {seller for sale in source.sales if not _sellers(sale) <= chosen for seller in _sellers(sale)}
    slugs = {slug_of(seller) for sale in kept for seller in _sellers(sale) - spoilt}
    return replace(source, sales=tuple(kept)), {
        "by_merchant": {slug: row for slug, row in expected["by_merchant"].items() if slug in slugs},
        "weekly_payable": [row for row in expected["weekly_payable"] if row["merchant"] in slugs],
    }


def _sellers(sale: Sale) -> set[str]:
    return {order.seller_id for order in sale.orders}


def differences(expected: Expected, found: Expected, *, quick: bool) -> list[list[str]]:
    """A row for each section: what it holds, and whether it is the same."""
    rows = []
    for name, wanted in expected.items():
        got = found.get(name)
        if quick and isinstance(wanted, dict) and isinstance(got, dict):
            got = {key: value for key, value in got.items() if key in wanted}
        elif quick and isinstance(got, list):
            slugs = {row["merchant"] for row in wanted}
            got = [row for row in got if row["merchant"] in slugs]
        size = f"{len(wanted):,} rows" if isinstance(wanted, dict | list) else f"{wanted:,}"
        rows.append([name, size, "equal" if got == wanted else "DIFFERENT"])
    return rows


def main() -> int:
    """Import and compare. Returns 1 where anything differs."""
    options = parse_options()
    if not DATA.is_dir():
        print(f"Olist import: no data in {DATA}, nothing measured.")
        return 0
    source, expected = read(DATA, datetime.now(UTC)), json.loads((DATA / "expected.json").read_text())
    if options.quick:
        source, expected = some_of(source, expected)
    stages, cost, profile = Stages(), Cost(), cProfile.Profile()
    with installed(options) as installation:
        if options.profile:
            profile.enable()
        report, found = asyncio.run(measured(installation.logins, source, stages, cost))
        profile.disable()
        _show(options, facts(installation.logins.owner, options), stages, report, cost)
    compared = differences(expected, found, quick=options.quick)
    show("Olist import: the books against expected.json", "", ("section", "size", ""), compared)
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    return int(any(row[-1] != "equal" for row in compared) or bool(report.skipped))


def _show(options: Options, facts_line: str, stages: Stages, report: Report, cost: Cost) -> None:
    number = report.now.checkouts
    whole = ["products and checkouts", f"{number:,}", f"{report.seconds:.1f} s", f"{report.checkouts_per_second:,.1f}"]
    note = (
        f"{cost.statements / number:.0f} statements and {cost.processor / number * 1000:.1f} ms of this process's"
        f" processor for each checkout, setting up included; the target is {TARGET_PER_SECOND} checkouts per second."
    )
    if report.checkouts_per_second < TARGET_PER_SECOND and not options.profile:
        note += " It was missed: --profile shows where the time goes."
    rows = [*(stages.row(stage) for stage in Stage), whole]
    show("Olist import", facts_line, ("stage", "pieces", "took", "per second"), rows, note)


if __name__ == "__main__":
    sys.exit(main())
