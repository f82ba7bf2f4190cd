"""PDFs in the languages that a merchant can choose: the same figures and the same content hash, in other words."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from merchantry.documents import csv_, xlsx
from merchantry.documents.invoice import invoice_document
from merchantry.documents.pdf import PAGE, write_document
from merchantry.documents.statement import CLOSING, OPENING
from merchantry.documents.table import Document
from merchantry.domain.invoice import InvoiceKind, InvoiceLine, Party, invoice
from merchantry.domain.ledger import EntryKind
from merchantry.languages.catalogue import catalogue
from merchantry.languages.formats import day, minute, plain_amount
from merchantry.languages.language import Language
from merchantry.services.invoice import WORDS
from tests.documents.papers import a_credit_note, a_statement, written
from tests.documents.test_pdf import opened, texts

ZH = Language.ZH_HANS


def in_chinese(document: Document) -> Document:
    return replace(document, language=ZH)


def words_of(document: Document) -> set[str]:
    """What the program itself says in a document."""
    columns = [column.title for table in document.tables for column in table.columns]
    facts = [name for name, _ in document.facts]
    return {document.title, *facts, *columns, *(table.title for table in document.tables)} - {""}


def an_invoice(kind: InvoiceKind) -> Document:
    party = Party("The Mall", ("Rua A 1",), "12")
    return invoice_document(
        invoice(
            kind=kind,
            number="C-1",
            issued_on=date(2026, 4, 1),
            issuer=party,
            recipient=party,
            currency="JPY",
            statement_number="S-1",
            corrects=None,
            lines=[InvoiceLine(WORDS[kind], 1_234_567, 1_000, 123_457)],
        ),
        ZH,
    )


@pytest.mark.parametrize("language", list(Language))
def test_all_that_documents_say_is_in_the_catalogues(language: Language) -> None:
    papers = [a_statement(), a_credit_note(), *map(an_invoice, InvoiceKind)]
    said = {PAGE, OPENING, CLOSING, "Total", "Total at this rate", *EntryKind, *WORDS.values()}
    known = {str(each.id) for each in catalogue(language)}
    assert said.union(*map(words_of, papers)) <= known


def test_a_chinese_statement_says_the_same_figures_under_the_same_hash() -> None:
    document = in_chinese(a_statement(text="=1+1 <b>Order</b>"))
    (page,) = texts(document)
    for shown in (
        *("结算单 ST-000007", "商家 Ateliê Sol 太阳 Ltda", "首日 2026年3月1日", "末日 2026年3月31日"),
        *("期初余额 -12.50", "期末余额 282.56", "调整 1 -5.00", "释放 3 300.06", "<b>Order</b>"),
        *("2026/2/28 00:00-03:00 4 调整 运费更正 1 -5.00 -17.50", "第 1 页，共 1 页", document.hash_shown),
    ):
        assert shown in page
    assert document.hash_shown == a_statement(text="=1+1 <b>Order</b>").hash_shown


def test_a_chinese_invoice_groups_its_amounts_by_the_currency_s_digits() -> None:
    (page,) = texts(an_invoice(InvoiceKind.INVOICE))
    for shown in ("佣金发票 C-1", "开具日期 2026年4月1日", "佣金 1,234,567 10.00 123,457 1,358,024", "合计"):
        assert shown in page
    assert "□" not in page


def test_no_word_of_a_chinese_document_lacks_its_font() -> None:
    for language in Language:
        for each in catalogue(language):
            str(each.string).encode("gb2312")


def test_chinese_files_are_the_same_bytes_again_and_say_what_language_they_are_in() -> None:
    document = in_chinese(a_statement(50))
    content = written(write_document, document)
    assert content == written(write_document, document) != written(write_document, a_statement(50))
    reader = opened(content)
    assert reader.trailer["/Root"]["/Lang"] == "zh-Hans"
    assert "/Lang" not in opened(written(write_document, a_statement())).trailer["/Root"]
    assert (reader.metadata["/Title"], reader.metadata["/Keywords"]) == ("结算单 ST-000007", document.hash_shown)


@pytest.mark.parametrize("writer", [csv_, xlsx], ids=["csv", "xlsx"])
def test_files_for_programs_are_in_no_language(writer: object) -> None:
    write = writer.write_document  # type: ignore[attr-defined]
    assert written(write, in_chinese(a_statement())) == written(write, a_statement())


def test_days_minutes_and_amounts_are_the_language_s() -> None:
    twice = [datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=fold) for fold in (0, 1)]
    assert [minute(each, ZH) for each in twice] == ["2026/11/1 01:30-04:00", "2026/11/1 01:30-05:00"]
    assert day(date(2026, 1, 31), ZH) == "2026年1月31日"
    figures = [plain_amount(minor, code, ZH) for minor, code in ((-1005, "KWD"), (10**17 + 1, "CNY"), (0, "JPY"))]
    assert figures == ["-1.005", "1,000,000,000,000,000.01", "0"]
