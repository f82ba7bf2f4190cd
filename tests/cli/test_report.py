"""`merchantry report sales|…`: every format, here or into a file."""

import asyncio
import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest

from tenancy.database import Database
from tests.cli.running import Shell
from tests.services.sales import a_plan, some_sales

MARCH = ("--from", "2026-03-01", "--to", "2026-04-01")


@pytest.fixture
def sold(shell: Shell) -> Shell:
    async def sell() -> None:
        database = Database(shell.logins)
        try:
            sales = await some_sales(database, a_plan(), slug="boats")
            await sales.sell(5_000, 700)
        finally:
            await database.close()

    asyncio.run(sell())
    return shell


def test_rows_are_printed_as_table_json_and_csv(sold: Shell) -> None:
    chosen = (*MARCH, "--columns", "merchant,currency,paid_minor")
    assert "5700" in sold.done("report", "sales", *chosen)
    found = json.loads(sold.done("report", "sales", *chosen, "--format", "json"))
    assert found["rows"] == [{"merchant": "boats", "currency": "BRL", "paid_minor": 5_700}]
    assert found["as_of"]
    lines = sold.done("report", "sale-lines", *MARCH, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(lines, newline="")))
    assert [row["goods_minor"] for row in rows] == ["5000", "700"]
    assert json.loads(sold.done("report", "refunds", "--format", "json"))["rows"] == []


@pytest.mark.parametrize("kind", ["sales", "sale-lines", "refunds", "statements", "payouts", "taxes"])
def test_every_kind_is_written_to_a_sheet(sold: Shell, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "report.xlsx"
    assert sold.done("report", kind, *MARCH, "--format", "xlsx", "--out", str(out)) == ""
    assert openpyxl.load_workbook(out).worksheets[0]["A1"].value == "Merchant"


def test_what_can_not_be_reported_says_what_can(sold: Shell, tmp_path: Path) -> None:
    words = {
        ("--columns", "pay"): "choose of merchant",
        ("--merchant", "nobody"): "no merchant nobody",
        ("--from", "2026-03-01", "--to", "2026-03-01"): "span is empty",
        ("--format", "xlsx"): "--out",
        ("--format", "csv", "--out", str(tmp_path / "no" / "x.csv")): "another --out",
    }
    for given, remedy in words.items():
        result = sold.run("report", "sales", *given)
        assert (result.exit_code, remedy in result.stderr) == (2, True), result.stderr
