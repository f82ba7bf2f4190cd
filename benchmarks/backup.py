"""One merchant backed up, tried and restored; every merchant of an installation backed up.

The merchant has sold what is in the real data set's first single-seller checkouts, all of it itself.
"""

import asyncio
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.installation import Installation, an_act, installed, provisioned
from benchmarks.measuring import Options, facts, parse_options, show, told
from benchmarks.olist_import import DATA, Stages
from merchantry.domain.plan_document import plan_from_json
from merchantry.imports.olist.model import Source, read
from merchantry.imports.olist.run import WORKERS, run
from merchantry.jobs import backing_up, restore
from merchantry.jobs.backup import Taking
from merchantry.jobs.drill import drill
from merchantry.jobs.restore import File
from merchantry.services.backup import EVERY
from merchantry.services.vault import Vault
from merchantry.services.verification import merchants_to_verify
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database

ORDERS, QUICK_ORDERS = 5_000, 300
MERCHANTS, QUICK_MERCHANTS = 1_000, 50
ACTOR = "system:benchmark"


def of_one_seller(source: Source, count: int) -> Source:
    """So many checkouts, as if one merchant had sold everything in them."""
    chosen = [sale for sale in source.sales if len(sale.orders) == 1][:count]
    seller = chosen[0].orders[0].seller_id
    sales = [replace(sale, orders=(replace(sale.orders[0], seller_id=seller),)) for sale in chosen]
    return replace(source, sales=tuple(sales))


async def one_merchant(installation: Installation, options: Options) -> list[list[str]]:
    """Import, back up, try, restore."""
    ring, database = MasterKeys.generate("1"), Database(installation.logins, pool_size=WORKERS)
    try:
        source = of_one_seller(read(DATA, datetime.now(UTC)), QUICK_ORDERS if options.quick else ORDERS)
        plan = plan_from_json((DATA / "reference-plan.json").read_bytes())
        told(f"Importing {len(source.sales):,} orders of one merchant …")
        await run(database, Vault(lambda: ring), source, plan, clock=lambda: datetime.now(UTC), progress=Stages())
        [(merchant_id, slug)] = await merchants_to_verify(database)
        told("Backing it up, trying the file, restoring it …")
        began = time.perf_counter()
        taking = Taking(installation.logins, merchant_id, slug, ring, ACTOR)
        made = await backing_up.take(database, taking, installation.home)
        taken = time.perf_counter() - began
        file = File(Path(made.stored_as), ring)
        tried = await drill(installation.logins, file)
        began = time.perf_counter()
        done = await restore.restore(database, file, an_act())
        restored = time.perf_counter() - began
    finally:
        await database.close()
    return [
        ["orders, entries", f"{len(source.sales):,}, {tried.entries:,}"],
        ["backup", f"{taken:.2f} s, {made.size_bytes / 1e6:.1f} MB"],
        ["drill: restored, verified", f"{tried.load_seconds:.1f} s, {tried.verify_seconds:.1f} s"],
        ["laws broken", f"{len(tried.broken)}"],
        ["restore with all checks", f"{restored:.1f} s, {done.status}"],
    ]


async def all_merchants(installation: Installation, options: Options) -> list[list[str]]:
    """Every merchant of an installation, which has sold nothing: what each costs at least."""
    count = QUICK_MERCHANTS if options.quick else MERCHANTS
    told(f"Provisioning {count:,} merchants, then backing all of them up …")
    provisioned(installation.logins, list(range(1, count + 1)))
    database = Database(installation.logins, pool_size=4)
    directory = installation.home / "backups"
    directory.mkdir()
    began = time.perf_counter()
    try:
        age = EVERY
        made, failures = await backing_up.take_all(
            database, directory, MasterKeys.generate("1"), ACTOR, younger_than=age
        )
    finally:
        await database.close()
    took = time.perf_counter() - began
    size = sum(path.stat().st_size for path in directory.iterdir()) / 1e6
    return [[f"--all, {made:,} merchants, {len(failures)} failed", f"{took:.1f} s, {size:.0f} MB"]]


def main() -> int:
    """Measure and print."""
    options = parse_options()
    rows: list[list[str]] = []
    if DATA.is_dir():
        with installed(options) as installation:
            rows += asyncio.run(one_merchant(installation, options))
    with installed(options) as installation:
        rows += asyncio.run(all_merchants(installation, options))
        line = facts(installation.logins.owner, options)
    show("Backup and restore", line, ("", ""), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
