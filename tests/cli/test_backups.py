"""Backups, restores and drills at the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from merchantry.cli.installation import Installation
from merchantry.cli.main import app
from tenancy.database import Database
from tests.backup.test_receipt_replay import a_quarantine
from tests.cli.running import Shell

NEW = ("--display-name", "Casa", "--category", "home", "--time-zone", "America/Sao_Paulo", "--currency", "BRL")


def a_merchant(shell: Shell, slug: str) -> None:
    shell.done("merchant", "create", "--slug", slug, "--legal-name", f"{slug} Ltda", *NEW)


def test_a_merchant_is_backed_up_tried_and_restored(shell: Shell, tmp_path: Path) -> None:
    a_merchant(shell, "casa")
    file = tmp_path / "casa.mbackup"
    assert "encrypted, to entry 0 of casa" in shell.done("merchant", "backup", "casa", "--to", str(file))
    said = json.loads(CliRunner().invoke(app, ["merchant", "manifest", str(file)]).stdout)["merchant"]
    assert said["slug"] == "casa"
    assert "0 entries, no law broken" in shell.done("merchant", "drill", "casa")
    assert "casa is active" in shell.done("merchant", "restore", str(file))
    assert "casa is active" in shell.done("merchant", "recheck", "casa")
    for words, answer in (
        (("backup", "casa"), "Say where to"),
        (("backup", "casa", "--all", "--to", str(tmp_path)), "Name one merchant"),
        (("backup", "boats", "--to", str(tmp_path)), "boats is no merchant"),
        (("restore", str(file), "--merchant", "boats"), "not of boats"),
        (("replay", "casa", str(file)), "not quarantined"),
        (("undo-restore", "casa"), "No restore of casa is open"),
        (("drill",), "Name one merchant, or give --sample"),
    ):
        result = shell.run("merchant", *words)
        assert (result.exit_code, answer in result.output) == (2, True), result.output
    file.write_bytes(file.read_bytes()[:-1])
    result = shell.run("merchant", "restore", str(file))
    assert (result.exit_code, "can't be read" in result.output) == (2, True), result.output


def test_all_merchants_are_backed_up_into_a_directory_and_again_where_it_stopped(shell: Shell, tmp_path: Path) -> None:
    a_merchant(shell, "casa")
    a_merchant(shell, "boats")
    place = tmp_path / "backups"
    assert "2 merchants were backed up" in shell.done("merchant", "backup", "--all", "--to", str(place))
    assert "0 merchants were backed up" in shell.done("merchant", "backup", "--all", "--to", str(place))
    assert sorted(path.name.split(".")[0] for path in place.iterdir()) == ["boats", "casa"]
    assert "young enough" in shell.done("merchant", "backup", "--check")
    assert shell.done("merchant", "drill", "--sample", "2").count("no law broken") == 2


async def a_lost_entry(shell: Shell, place: Path) -> tuple[str, dict[int, Any]]:
    """A quarantined merchant's slug, and its receipts."""
    keys = Installation(shell.logins, shell.data_dir, is_embedded=False).log_keys
    database = Database(shell.logins, pool_size=2)
    safe, receipts, _ = await a_quarantine(database, place, keys)
    await database.close()
    return safe.slug, receipts


def test_receipts_are_replayed_and_a_file_that_is_none_is_named(shell: Shell, tmp_path: Path) -> None:
    slug, receipts = asyncio.run(a_lost_entry(shell, tmp_path))
    place = tmp_path / "receipts"
    place.mkdir()
    words = ("merchant", "replay", slug, "--receipts", str(place))
    for body, answer in ((None, "no receipt"), ("{", "3.json: it is no receipt"), ("[" * 100_000, "3.json: it is no")):
        if body is not None:
            (place / "3.json").write_text(body)
        refused = shell.run(*words)
        assert (refused.exit_code, answer in refused.output) == (2, True), refused.output
    assert shell.run("merchant", "replay", slug).exit_code == 2
    for seq in (3, 4, 5):
        (place / f"{seq}.json").write_text(json.dumps(receipts[seq]))
    done = shell.run(*words)
    assert done.exit_code == 1
    assert "It lacks:\n  order" in done.stdout
    assert "  entry" not in done.stdout
