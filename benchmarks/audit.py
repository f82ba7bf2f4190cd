"""Auditing the real orders' ledgers offline: every merchant's exported ledger against a copy of the log; only files."""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.installation import installed
from benchmarks.measuring import facts, parse_options, show, told
from benchmarks.olist_import import DATA
from benchmarks.settlement import imported
from merchantry.cli.verify_offline import audited
from merchantry.domain.tile import WIDTH, Tile
from merchantry.jobs.export import write_ledger
from merchantry.jobs.sequencing import sequence_all
from merchantry.services import log
from merchantry.services.log_entries import verify_entries
from merchantry.services.log_verification import verify_log
from merchantry.services.verification import merchants_to_verify
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.mirror import Directory, note_of
from merchantry.transparency.trust import checked_head
from tenancy.database import Database
from tenancy.logins import Logins

KEYS = LogKeys.from_seeds("bench.example/log", [bytes(range(32))])
PER = 100_000


async def exported(logins: Logins, home: Path) -> tuple[list[Path], dict[str, float]]:
    """Sign all, verify on the database, and write every ledger and the log's leaves. Returns the files and seconds."""
    database, took = Database(logins, pool_size=2), {}
    told("Signing and verifying on the database …")
    await sequence_all(database, KEYS, datetime.now(UTC))
    merchants = await merchants_to_verify(database)
    began = time.perf_counter()
    tree = await verify_log(database)
    broken = list(tree.broken)
    async for each in verify_entries(database, merchants):
        broken += each.broken
    took["verify log, on the database"] = time.perf_counter() - began
    if broken:
        raise RuntimeError(str(broken[:3]))
    told(f"Exporting {len(merchants):,} ledgers …")
    began = time.perf_counter()
    paths = []
    for merchant_id, slug in merchants:
        paths.append(home / f"{slug}.jsonl")
        await write_ledger(database, merchant_id, paths[-1])
    took["exporting the ledgers"] = time.perf_counter() - began
    async with database.read("bench") as tx, tx.as_public() as session:
        head = await log.head(session)
        if head is None:
            raise RuntimeError("nothing was signed")
        (home / "checkpoint").write_text(str(head.note(KEYS.origin)))
        for index in range(-(-head.size // WIDTH)):
            tile = Tile(None, index, min(WIDTH, head.size - index * WIDTH))
            path = home / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await log.tile_body(session, tile, head.size) or b"")
    await database.close()
    return paths, took


def main() -> int:
    """Measure and print. Returns 1 where an audit finds a fault."""
    options = parse_options()
    if not DATA.is_dir():
        print(f"Audit: no data in {DATA}, nothing measured.")
        return 0
    with installed(options) as installation, tempfile.TemporaryDirectory() as home:
        told("Importing the orders …")
        asyncio.run(imported(installation.logins, options.quick))
        paths, took = asyncio.run(exported(installation.logins, Path(home)))
        files = Directory(Path(home))
        told(f"Auditing {len(paths):,} ledgers …")
        began = time.perf_counter()
        audits = audited(paths, files, checked_head(note_of(files), KEYS.verifiers, (), 0))
        took["auditing them offline"] = time.perf_counter() - began
        entries, faults = sum(audit.entries for audit, _ in audits), sum(audit.faults for audit, _ in audits)
        rows = [[what, f"{seconds:.1f} s", f"{seconds / entries * PER:.1f} s"] for what, seconds in took.items()]
        note = f"{entries:,} entries of {len(paths):,} merchants; {faults or 'no'} faults."
        show(
            "Audit of the real orders",
            facts(installation.logins.owner, options),
            ("", "took", "per 100,000"),
            rows,
            note,
        )
        return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
