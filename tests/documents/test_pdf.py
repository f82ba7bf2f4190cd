import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import reportlab
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from merchantry.documents.fonts import PLAIN, Typefaces
from merchantry.documents.pdf import write_document
from merchantry.documents.table import Column, Document, Table
from tests.documents.papers import a_credit_note, a_statement, written

VERA = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
ROOT = Path(__file__).parents[2]


def opened(content: bytes) -> Any:
    return PdfReader(io.BytesIO(content))


def texts(document: Document) -> list[str]:
    return [page.extract_text() for page in opened(written(write_document, document)).pages]


def test_a_statement_shows_its_facts_totals_and_lines() -> None:
    (page,) = texts(a_statement())
    for shown in (
        *(
            "Settlement statement ST-000007",
            "Merchant Ateliê Sol 太阳 Ltda",
            "First day 2026-03-01",
            "Last day 2026-03-31",
        ),
        *("Opening balance -12.50", "Closing balance 282.56", "adjustment 1 -5.00", "release 3 300.06"),
        *("2026-02-28 00:00-03:00 4 adjustment 运费更正 1 -5.00 -17.50", "S-000002 Order released 100.02 182.53"),
        *("closing 282.56", "Page 1 of 1"),
    ):
        assert shown in page


def test_a_credit_note_shows_its_parties_and_taxes() -> None:
    (page,) = texts(a_credit_note())
    for shown in (
        *("Credit note CN-000003", "Issuer The Mall", "São Paulo", "Issuer's tax number 12.345.678/0001-00"),
        *("Corrects invoice INV-000002", "Commission returned 50.00 19.50 9.75 59.75", "Total 53.00 9.75 62.75"),
    ):
        assert shown in page


def test_every_page_has_its_number_the_column_titles_and_the_content_hash() -> None:
    document = a_statement(releases=300)
    pages = texts(document)
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Available Entry Kind Order Text Corrects Amount Balance" in page
        assert document.hash_shown in page
    everything = "\n".join(pages)
    assert all(everything.count(f"S-{seq:06} ") == 1 for seq in range(1, 301))


def test_the_content_hash_is_in_the_metadata() -> None:
    facts = opened(written(write_document, a_statement())).metadata
    assert facts["/Keywords"] == a_statement().hash_shown
    assert (facts["/Title"], facts["/Author"]) == ("Settlement statement ST-000007", "The Mall")
    assert facts["/CreationDate"] == facts["/ModDate"] == "D:20260401030000Z"


def test_written_again_it_is_the_same_bytes() -> None:
    assert written(write_document, a_statement(50)) == written(write_document, a_statement(50))
    assert written(write_document, a_statement(50)) != written(write_document, a_statement(51))


def test_another_process_elsewhere_in_the_world_writes_the_same_bytes() -> None:
    script = (
        "import sys; from tests.documents.papers import *; from merchantry.documents import pdf, xlsx;"
        "paper = a_statement(); files = [written(kind.write_document, paper) for kind in (pdf, xlsx)];"
        "sys.stdout.buffer.write(b''.join(files))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **changes}, cwd=ROOT, check=True, capture_output=True
        ).stdout
        for changes in ({"TZ": "Asia/Shanghai", "PYTHONHASHSEED": "1"}, {"TZ": "UTC", "SOURCE_DATE_EPOCH": "99"})
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 5_000


def test_long_texts_are_wrapped_and_lose_nothing() -> None:
    words = [f"word{number}" for number in range(40)]
    (page,) = texts(a_statement(releases=1, text=" ".join(words) + " " + "订单" * 40))
    flat = "".join(page.split())
    assert "".join(words) in flat
    assert flat.count("订单") == 40


def test_a_row_above_a_page_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than a page"):
        written(write_document, a_statement(text="word " * 5_000))


def test_figures_shrink_rather_than_break() -> None:
    column = Column("n", "N", 1, is_figure=True)
    table = Table("Big", (column, Column("t", "T", 40)), ((10**40, "x"),))
    document = a_statement()
    (page,) = texts(
        Document(document.title, document.number, document.issuer, document.dated, (), (table,), table, (), bytes(32))
    )
    assert "1" + "0" * 40 in page


def test_what_no_font_has_is_an_empty_box() -> None:
    (page,) = texts(a_statement(releases=1, text="smile 😀 \x07 ع end"))
    assert "smile □" in page
    assert "end" in page


def test_a_font_that_is_given_is_embedded() -> None:
    document = a_statement(releases=1, text="Łucja")
    out, again = io.BytesIO(), io.BytesIO()
    write_document(document, out, fonts=[VERA])
    write_document(document, again, fonts=[VERA])
    assert out.getvalue() == again.getvalue()
    assert b"/FontFile2" in out.getvalue()
    assert b"/FontFile2" not in written(write_document, document)
    assert "Łucja" in opened(out.getvalue()).pages[0].extract_text()


@settings(deadline=None)
@given(text=st.text(st.sampled_from("abc  é订单ひ한Я😀-_"), max_size=60), limit=st.floats(1, 200))
def test_wrapping_keeps_every_character_and_the_limit(text: str, limit: float) -> None:
    faces = Typefaces([])
    lines = faces.wrap(text, PLAIN, 9.0, limit)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert lines
    assert all(len(line.strip()) <= 1 or faces.width(line.rstrip(), PLAIN, 9.0) <= limit + 0.001 for line in lines)
