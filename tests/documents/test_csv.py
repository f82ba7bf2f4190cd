import csv
import io
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from merchantry.documents.csv_ import stream_csv, write_csv, write_document
from merchantry.documents.table import Cell, Column, Row
from merchantry.domain.money import Money
from tests.documents.papers import a_credit_note, a_statement, written

ONE = (Column("text", "Text", 10),)


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))


def cells(*values: Cell) -> list[str]:
    out = io.BytesIO()
    write_csv([Column(f"c{position}", "", 1) for position in range(len(values))], [values], out)
    return read(out.getvalue())[1]


def test_a_statement_leads_from_opening_to_closing_with_a_running_balance() -> None:
    rows = read(written(write_document, a_statement()))
    assert rows == [
        ["statement", "currency", "available_at", "entry", "kind", "order", "text", "corrects", "amount", "balance"],
        ["ST-000007", "BRL", "2026-03-01T00:00:00-03:00", "", "opening", "", "", "", "", "-12.50"],
        ["ST-000007", "BRL", "2026-02-28T00:00:00-03:00", "4", "adjustment", "", "运费更正", "1", "-5.00", "-17.50"],
        [
            "ST-000007",
            "BRL",
            "2026-03-01T01:00:00-03:00",
            "1",
            "release",
            "S-000001",
            "Order released",
            "",
            "100.01",
            "82.51",
        ],
        [
            "ST-000007",
            "BRL",
            "2026-03-01T02:00:00-03:00",
            "2",
            "release",
            "S-000002",
            "Order released",
            "",
            "100.02",
            "182.53",
        ],
        [
            "ST-000007",
            "BRL",
            "2026-03-01T03:00:00-03:00",
            "3",
            "release",
            "S-000003",
            "Order released",
            "",
            "100.03",
            "282.56",
        ],
        ["ST-000007", "BRL", "2026-04-01T00:00:00-03:00", "", "closing", "", "", "", "", "282.56"],
    ]


def test_a_credit_note_lists_its_lines() -> None:
    assert read(written(write_document, a_credit_note())) == [
        ["kind", "number", "currency", "description", "net", "tax_rate_percent", "tax", "gross"],
        ["credit_note", "CN-000003", "BRL", "Commission returned", "50.00", "19.50", "9.75", "59.75"],
        ["credit_note", "CN-000003", "BRL", "Fee returned", "3.00", "0.00", "0.00", "3.00"],
    ]


def test_written_again_it_is_the_same_bytes() -> None:
    assert written(write_document, a_statement(50)) == written(write_document, a_statement(50))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "=cmd|' /C calc'!A0"])
def test_texts_are_never_formulas(text: str) -> None:
    assert cells(text) == ["'" + text]


@pytest.mark.parametrize(
    "text", ["", "a=1", " x", "'quoted'", 'say "so"', "a,b;c", "two\r\nlines", "two\rlines", "订单"]
)
def test_other_texts_are_themselves(text: str) -> None:
    assert cells("first", text) == ["first", text]


def test_figures_are_exact_and_never_texts() -> None:
    assert cells(Money(-5, "BRL"), Money(12, "JPY"), Money(-(10**18) - 1, "KWD"), -7, None, date(2026, 3, 1)) == [
        "-0.05",
        "12",
        "-1000000000000000.001",
        "-7",
        "",
        "2026-03-01",
    ]
    assert cells(datetime(2026, 3, 1, 4, 5, 6, 7, UTC)) == ["2026-03-01T04:05:06.000007+00:00"]


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells under 1 columns"):
        write_csv(ONE, [("a", "b")], io.BytesIO())


def test_the_file_stays_open_and_ends_lines_as_the_standard_says() -> None:
    out = io.BytesIO()
    write_csv(ONE, [("a",)], out)
    write_csv(ONE, [], out)
    assert out.getvalue() == b"text\r\na\r\ntext\r\n"


async def test_rows_that_are_still_being_read_are_written() -> None:
    async def rows() -> AsyncIterator[Row]:
        for number in range(3):
            yield (number,)

    out = io.BytesIO()
    await stream_csv(ONE, rows(), out)
    assert out.getvalue() == b"text\r\n0\r\n1\r\n2\r\n"


def test_a_hundred_thousand_rows_take_no_more_memory_than_one(tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        for number in range(100_000):
            yield (f"S-{number}", Money(number, "BRL"))

    columns = (Column("order", "Order", 12), Column("amount", "Amount", 12))
    with (tmp_path / "report.csv").open("wb") as out:
        tracemalloc.start()
        try:
            write_csv(columns, rows(), out)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (tmp_path / "report.csv").stat().st_size > 1_000_000
    assert peak < 500_000
