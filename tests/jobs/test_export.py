"""All that a merchant has, written to files that a spreadsheet opens and the books agree with."""

import csv
from pathlib import Path

import pytest

from merchantry.jobs.export import PARTIAL, export
from merchantry.tables.blueprint import MERCHANT_TABLES
from tenancy.database import Database
from tests.services.books import a_shelf
from tests.services.test_settlement import local


def files_in(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


async def test_everything_is_exported_and_again_after_a_kill(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, other = await a_shelf(database), await a_shelf(database)
    for each, amount in ((shelf, 8_750), (other, 1_111)):
        await each.add_account()
        await each.sell(amount, local(2026, 3, 3), 1_250)
        await each.close(local(2026, 3, 9))
    told: list[tuple[int, int]] = []

    class Killed(BaseException):
        pass

    def die(done: int, total: int) -> None:
        if done == len(MERCHANT_TABLES.tables) // 2:
            raise Killed

    with pytest.raises(Killed):
        await export(database, shelf.merchant.id, tmp_path, die)
    files = await export(database, shelf.merchant.id, tmp_path, lambda done, total: told.append((done, total)))

    names = files_in(tmp_path)
    assert len(names) == files == told[-1][0] == told[-1][1]
    assert not [name for name in names if name.endswith(PARTIAL)]
    tables = {table.name for table in MERCHANT_TABLES.sorted_tables}
    assert {f"tables/{name}.csv" for name in tables} <= names
    [statement] = await shelf.statements()
    assert {f"statements/{statement.number}.{form}" for form in ("pdf", "xlsx", "csv")} <= names
    with (tmp_path / "tables" / "ledger_entry.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seq"], row["kind"]) for row in rows] == [("1", "capture"), ("2", "release"), ("3", "payout")]
    assert (tmp_path / "statements" / f"{statement.number}.pdf").read_bytes().startswith(b"%PDF")
    assert "1111" not in (tmp_path / "tables" / "balance.csv").read_text()
