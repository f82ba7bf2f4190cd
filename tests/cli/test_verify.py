"""`merchantry verify` as operators and auditors run it: on the database, and with files alone."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from merchantry.cli.installation import Installation, utc_now
from merchantry.cli.main import app
from merchantry.domain.tile import WIDTH, Tile
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import scheduled_verification
from merchantry.jobs.export import write_ledger
from merchantry.jobs.sequencing import sequence_all
from merchantry.jobs.tools import Tools
from merchantry.services import ledger, log, receipt
from tenancy.database import Database
from tenancy.schemas import schema_of
from tests.builders import NOON, a_merchant, a_vault
from tests.cli.running import Shell
from tests.services.books import Shelf, a_shelf


class Evidence:
    """Files that were taken while all was well."""

    def __init__(self, shell: Shell, directory: Path) -> None:
        self.shell = shell
        self.directory = directory
        self.keys = Installation(shell.logins, shell.data_dir, is_embedded=False).log_keys
        self.key = str(self.keys.verifiers[0])
        self.shelf: Shelf

    async def take(self) -> None:
        """Sell and sign, then keep a receipt, the ledger and the log's files."""
        database = Database(self.shell.logins, pool_size=2)
        self.shelf = await a_shelf(database)
        for week in range(3):
            await self.shelf.sell(8_750 + week, NOON + timedelta(days=7 * week), 1_250)
        await sequence_all(database, self.keys, NOON)
        await write_ledger(database, self.shelf.merchant.id, self.directory / "ledger.jsonl")
        async with database.read("test") as tx:
            async with tx.as_merchant(self.shelf.merchant.id) as session:
                entry = await ledger.entry_of(session, 2)
                known = await receipt.places(session, [2])
            async with tx.as_public() as public:
                merchant_id = self.shelf.merchant.id
                found = await receipt.receipts(public, merchant_id, [entry], known, for_buyer=False)
                head = await log.head(public)
                assert head is not None
                files = {"checkpoint": str(head.note(self.keys.origin)).encode()}
                for level in (None, 0):
                    for index in range(-(-head.size // WIDTH)):
                        tile = Tile(level, index, min(WIDTH, head.size - index * WIDTH))
                        files[tile.path] = await log.tile_body(public, tile, head.size) or b""
        (self.directory / "receipt.json").write_text(json.dumps(found[2].document()))
        for name, body in files.items():
            path = self.directory / "log" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        await database.close()

    async def go_on(self) -> None:
        """More is sold and signed."""
        database = Database(self.shell.logins, pool_size=2)
        await Shelf(database, self.shelf.merchant).sell(1_000, NOON + timedelta(days=30), 100)
        await sequence_all(database, self.keys, NOON + timedelta(days=30))
        await database.close()

    def offline(self, *words: str) -> Result:
        """A command that is given neither database nor data directory."""
        return CliRunner().invoke(app, ["verify", *words, "--key", self.key])


@pytest.fixture
def evidence(shell: Shell, tmp_path: Path) -> Evidence:
    """What was kept."""
    kept = Evidence(shell, tmp_path)
    asyncio.run(kept.take())
    return kept


def test_a_clean_log_is_told_and_a_changed_entry_is_named(shell: Shell, evidence: Evidence) -> None:
    report = json.loads(shell.done("verify", "log", "--format", "json"))
    assert report["clean"]
    assert report["entries"] == 6
    with psycopg.connect(shell.logins.owner) as connection:
        table = f"{schema_of(evidence.shelf.merchant.id)}.ledger_entry"
        connection.execute(f"UPDATE {table} SET occurred_at = now() WHERE seq = 4".encode())  # noqa: S608
    broken = shell.run("verify", "log")
    assert broken.exit_code == 1
    assert f"{evidence.shelf.merchant.slug}: a leaf is made of its entry as it is stored: entry 4" in broken.stdout


def test_a_checkpoint_that_was_kept_is_the_beginning_of_the_log(shell: Shell, evidence: Evidence) -> None:
    asyncio.run(evidence.go_on())
    kept = str(evidence.directory / "log" / "checkpoint")
    assert "no laws broken" in shell.done("verify", "log", "--checkpoint", kept)
    assert shell.run("verify", "log", "--checkpoint", str(evidence.directory / "receipt.json")).exit_code == 2


def test_what_guards_the_database_is_verified_alone(shell: Shell, evidence: Evidence) -> None:
    assert "no laws broken" in shell.done("verify", "--security")
    with psycopg.connect(shell.logins.owner) as connection:
        connection.execute("GRANT DELETE ON platform.log_leaf TO merchantry_platform")
    loosened = shell.run("verify", "--security")
    assert loosened.exit_code == 1
    assert "REVOKE DELETE ON platform.log_leaf FROM merchantry_platform;" in loosened.stdout


def test_a_receipt_is_checked_offline(evidence: Evidence) -> None:
    file = evidence.directory / "receipt.json"
    right = evidence.offline("receipt", str(file), "--checkpoint", str(evidence.directory / "log" / "checkpoint"))
    assert right.exit_code == 0, right.output
    assert "Entry 2 of merchant" in right.stdout
    assert "It is the same history" in right.stdout
    file.write_text(file.read_text().replace("release", "refund_", 1))
    wrong = evidence.offline("receipt", str(file))
    assert wrong.exit_code == 1
    assert "not of this log" in wrong.stdout


def test_a_ledger_is_audited_offline(evidence: Evidence) -> None:
    words = ("ledger", str(evidence.directory / "ledger.jsonl"), "--tiles", str(evidence.directory / "log"))
    right = evidence.offline(*words)
    assert right.exit_code == 0, right.output
    assert "6 entries" in right.stdout
    lines = (evidence.directory / "ledger.jsonl").read_text().splitlines()
    (evidence.directory / "ledger.jsonl").write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    wrong = evidence.offline(*words)
    assert wrong.exit_code == 1
    assert "entry 3 should come next" in wrong.stdout


def test_without_a_key_nothing_is_believed(evidence: Evidence) -> None:
    refused = CliRunner().invoke(app, ["verify", "receipt", str(evidence.directory / "receipt.json")])
    assert refused.exit_code == 2
    assert "--key" in refused.stderr


async def verified_by_itself(shell: Shell) -> None:
    """What a worker does once a day."""
    keys = Installation(shell.logins, shell.data_dir, is_embedded=False).log_keys
    database = Database(shell.logins, pool_size=2)
    await a_merchant(database)
    await sequence_all(database, keys, NOON)
    tools = Tools(database, Sandbox(database, utc_now, ""), utc_now, a_vault(), log_keys=keys)
    await scheduled_verification.verify(tools)
    await database.close()


def test_the_last_verification_is_printed_with_its_exit_code(shell: Shell) -> None:
    assert shell.run("verify", "--last").exit_code == 2
    asyncio.run(verified_by_itself(shell))
    assert "no laws broken" in shell.done("verify", "--last")
    with psycopg.connect(shell.logins.owner) as connection:
        connection.execute("GRANT DELETE ON platform.log_leaf TO merchantry_platform")
    assert "no laws broken" in shell.done("verify", "--last")
    asyncio.run(verified_by_itself(shell))
    broken = shell.run("verify", "--last", "--format", "json")
    assert broken.exit_code == 1
    report = json.loads(broken.stdout)
    assert (report["clean"], report["findings"], report["merchants"]) == (False, 1, 2)
    assert report["broken"][0]["law"] == scheduled_verification.RIGHTS
