import io
import tempfile
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from merchantry.documents.table import Cell, Column, Row
from merchantry.documents.xlsx import stream_xlsx, write_document, write_xlsx
from merchantry.domain.money import Money
from tests.documents.papers import a_credit_note, a_statement, written

DATED = datetime(2026, 4, 1, tzinfo=UTC)
COLUMNS = (Column("order", "Order", 12), Column("amount", "Amount", 12, is_figure=True))


def opened(content: bytes) -> Any:
    return load_workbook(io.BytesIO(content))


def values(sheet: Any) -> list[list[str | None]]:
    """The cells as texts: numbers with the 15 digits that a spreadsheet shows."""
    return [
        [f"{cell.value:.15g}" if cell.data_type == "n" and cell.value is not None else shown(cell) for cell in row]
        for row in sheet.iter_rows()
    ]


def shown(cell: Any) -> str | None:
    return None if cell.value is None else str(cell.value)


def cell_of(cell: Cell) -> Any:
    out = io.BytesIO()
    write_xlsx([Column("c", "C", 10)], [(cell,)], out, title="T", dated=DATED)
    return opened(out.getvalue())["T"]["A2"]


def stored(cell: Cell) -> str:
    """The cell as it stands in the file."""
    out = io.BytesIO()
    write_xlsx([Column("c", "C", 10)], [(cell,)], out, title="T", dated=DATED)
    sheet = zipfile.ZipFile(out).read("xl/worksheets/sheet1.xml").decode()
    return sheet[sheet.index('<c r="A2"') : sheet.index("</row>", sheet.index('<c r="A2"'))]


def test_a_statement_has_sheets_of_facts_totals_and_lines() -> None:
    book = opened(written(write_document, a_statement()))
    assert book.sheetnames == ["Settlement statement", "Totals by kind", "Lines"]
    facts = {row[0]: row[1] for row in values(book["Settlement statement"])}
    assert (facts["Number"], facts["Merchant"], facts["Last day"]) == (
        "ST-000007",
        "Ateliê Sol 太阳 Ltda",
        "2026-03-31 00:00:00",
    )
    assert facts["Content"] == a_statement().hash_shown == book.properties.description
    assert values(book["Totals by kind"]) == [
        ["Kind", "Entries", "Amount"],
        ["opening", None, "-12.5"],
        ["adjustment", "1", "-5"],
        ["release", "3", "300.06"],
        ["closing", None, "282.56"],
    ]
    lines = values(book["Lines"])
    assert lines[2] == ["2026-02-28 00:00-03:00", "4", "adjustment", None, "运费更正", "1", "-5", "-17.5"]
    assert [row[-1] for row in lines] == ["Balance", "-12.5", "-17.5", "82.51", "182.53", "282.56", "282.56"]


def test_a_credit_note_has_its_totals_by_rate() -> None:
    book = opened(written(write_document, a_credit_note()))
    assert values(book["Totals by tax rate"]) == [
        [None, "Net", "Tax %", "Tax", "Gross"],
        ["Total at this rate", "3", "0.00", "0", "3"],
        ["Total at this rate", "50", "19.50", "9.75", "59.75"],
        ["Total", "53", None, "9.75", "62.75"],
    ]
    facts = values(book["Credit note"])
    assert ["Corrects invoice", "INV-000002"] in facts
    assert [None, "São Paulo"] in facts


def test_written_again_it_is_the_same_bytes() -> None:
    assert written(write_document, a_statement(50)) == written(write_document, a_statement(50))
    assert opened(written(write_document, a_statement())).properties.created == datetime(2026, 4, 1, 3)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("amount", "digits", "pattern"),
    [
        (Money(-1230, "BRL"), "-12.30", "#,##0.00"),
        (Money(12, "JPY"), "12", "#,##0"),
        (Money(1, "KWD"), "0.001", "#,##0.000"),
        (Money(1, "CLF"), "0.0001", "#,##0.0000"),
        (Money(999_999_999_999_999, "BRL"), "9999999999999.99", "#,##0.00"),
        (Money(-100_000_000_000_001, "BRL"), "-1000000000000.01", "#,##0.00"),
        (Money(900_719_925_474_099, "BRL"), "9007199254740.99", "#,##0.00"),
        (123_456, "123456", "0"),
    ],
    ids=str,
)
def test_amounts_are_numbers_with_every_digit(amount: Cell, digits: str, pattern: str) -> None:
    assert f"<v>{digits}</v>" in stored(amount)
    assert cell_of(amount).number_format == pattern
    assert cell_of(amount).data_type == "n"


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Money(10**15, "BRL"), "10000000000000.00"),
        (Money(-(10**17) - 1, "JPY"), "-100000000000000001"),
        (10**15, "1" + "0" * 15),
    ],
    ids=str,
)
def test_figures_beyond_fifteen_digits_are_texts(figure: Cell, text: str) -> None:
    assert (cell_of(figure).value, cell_of(figure).data_type) == (text, "s")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "{=1}",
        "@x",
        "-1",
        "12.30",
        "https://example.org",
        "mailto:a@example.org",
        "a\x01b",
        "_x0041_",
        "<b>&",
        "订单",
        " x ",
    ],
)
def test_texts_are_texts(text: str) -> None:
    cell = cell_of(text)
    assert cell.data_type == "s"
    assert cell.hyperlink is None
    assert "<f>" not in stored(text)
    if "\x01" not in text and "_x" not in text:
        assert cell.value == text


def test_a_text_that_looks_like_the_librarys_markup_is_escaped() -> None:
    text = "<r><t>other</t></r>"
    assert cell_of(text).value == text + " "
    assert "&lt;r&gt;" in stored(text)


def test_days_are_days() -> None:
    assert cell_of(date(2026, 3, 1)).value == datetime(2026, 3, 1)  # noqa: DTZ001
    assert "<v>46082</v>" in stored(date(2026, 3, 1))


def test_what_a_sheet_can_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="32767 characters"):
        cell_of("x" * 32_768)
    with pytest.raises(ValueError, match="1 cells under 2 columns"):
        write_xlsx(COLUMNS, [("a",)], io.BytesIO(), title="T", dated=DATED)


def test_nothing_is_left_behind_when_rows_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def rows() -> Iterator[Row]:
        yield ("a", 1)
        raise ConnectionError("lost")

    with pytest.raises(ConnectionError):
        write_xlsx(COLUMNS, rows(), io.BytesIO(), title="T", dated=DATED)
    write_xlsx(COLUMNS, [("a", 1)], io.BytesIO(), title="T", dated=DATED)
    assert list(tmp_path.iterdir()) == []


async def test_rows_that_are_still_being_read_are_written() -> None:
    async def rows() -> AsyncIterator[Row]:
        for number in range(3):
            yield (f"S-{number}", Money(number, "BRL"))

    out = io.BytesIO()
    await stream_xlsx(COLUMNS, rows(), out, title="Sales", dated=DATED)
    sales = values(opened(out.getvalue())["Sales"])
    assert sales == [["Order", "Amount"], ["S-0", "0"], ["S-1", "0.01"], ["S-2", "0.02"]]


def test_a_hundred_thousand_rows_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        for number in range(100_000):
            yield (f"S-{number}", Money(number, "BRL"))

    with (tmp_path / "report.xlsx").open("wb") as out:
        tracemalloc.start()
        try:
            write_xlsx(COLUMNS, rows(), out, title="Sales", dated=DATED)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    sheet = zipfile.ZipFile(tmp_path / "report.xlsx").getinfo("xl/worksheets/sheet1.xml")
    assert sheet.file_size > 5_000_000
    assert peak < 1_500_000
