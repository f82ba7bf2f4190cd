"""What the bank says of a file."""

import importlib
from datetime import UTC, datetime

import pytest
from xsdata.formats.dataclass.parsers import XmlParser

from merchantry.domain.errors import BankFileInvalid
from merchantry.gateways.iso20022 import pain002
from merchantry.gateways.payout import TransferStatus
from tests.gateways import papers
from tests.gateways.papers import a_batch, an_instruction, reason

FIRST, SECOND = an_instruction(1), an_instruction(2)


def word_on(number: int, status: str, more: str = "") -> str:
    instruction = an_instruction(number)
    names = f"<OrgnlInstrId>{instruction.key.hex}</OrgnlInstrId><OrgnlEndToEndId>PO-{number}</OrgnlEndToEndId>"
    return f"{names}<TxSts>{status}</TxSts>{more}"


def statuses(data: bytes) -> list[TransferStatus | None]:
    """What the report says of the first two instructions."""
    report = pain002.read(data)
    answers = [report.answer_for(each.key, each.reference) for each in (FIRST, SECOND)]
    return [answer.status if answer else None for answer in answers]


@pytest.mark.parametrize("version", ["03", "09", "10", "14"])
def test_each_transfer_has_its_own_word(version: str) -> None:
    rejected = word_on(2, "RJCT", reason("AC04", "Account closed"))
    data = papers.pain002("PART", None, [word_on(1, "ACSC"), rejected], version=version)
    report = pain002.read(data)
    assert (report.id, report.message_id) == ("R1", a_batch().id.hex)
    assert report.created_at == datetime(2026, 3, 31, 6, tzinfo=UTC)
    assert statuses(data) == [TransferStatus.PAID, TransferStatus.REJECTED]
    answer = report.answer_for(SECOND.key, SECOND.reference)
    assert answer
    assert answer.reason == "RJCT AC04 Account closed"
    assert answer.occurred_at == report.created_at
    assert {verdict.reason_code for verdict in report.verdicts} == {None, "AC04"}


@pytest.mark.parametrize("version", ["03", "10", "14"])
def test_the_reports_of_these_tests_are_of_the_standards_shape(version: str) -> None:
    module = importlib.import_module(f"pyiso20022.pain.pain_002_001_{version}")
    data = papers.pain002(
        "PART", "PART", [word_on(1, "ACSC"), word_on(2, "RJCT", reason("AC04", "x"))], version=version
    )
    assert XmlParser().from_bytes(data, module.Document)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ACSC", TransferStatus.PAID),
        ("ACCC", TransferStatus.PAID),
        ("RJCT", TransferStatus.REJECTED),
        ("CANC", TransferStatus.REJECTED),
        ("ACCP", TransferStatus.ACCEPTED),
        ("ACTC", TransferStatus.ACCEPTED),
        ("PDNG", TransferStatus.ACCEPTED),
        ("XXXX", TransferStatus.ACCEPTED),
    ],
)
def test_only_what_is_final_ends_a_transfer(code: str, status: TransferStatus) -> None:
    assert statuses(papers.pain002("", None, [word_on(1, code)])) == [status, None]


def test_a_rejected_group_or_payment_block_rejects_every_transfer() -> None:
    everything = [TransferStatus.REJECTED, TransferStatus.REJECTED]
    assert statuses(papers.pain002("RJCT")) == everything
    assert statuses(papers.pain002("", "RJCT")) == everything
    assert statuses(papers.pain002("RJCT", "RJCT", [word_on(1, "RJCT")])) == everything


def test_a_word_on_a_transfer_goes_before_the_word_on_all() -> None:
    data = papers.pain002("ACCP", "ACTC", [word_on(2, "RJCT")])
    assert statuses(data) == [TransferStatus.ACCEPTED, TransferStatus.REJECTED]


def test_a_transfer_is_known_by_its_reference_alone_too() -> None:
    data = papers.pain002("", None, ["<OrgnlEndToEndId>PO-1</OrgnlEndToEndId><TxSts>RJCT</TxSts>"])
    assert statuses(data) == [TransferStatus.REJECTED, None]


def test_a_report_that_says_nothing_of_a_transfer_gives_no_answer() -> None:
    assert statuses(papers.pain002("PART", None, [word_on(1, "ACSC")])) == [TransferStatus.PAID, None]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(papers.pain002("RJCT", None, [word_on(1, "ACSC")]), "is rejected", id="group and transfer"),
        pytest.param(papers.pain002("", "RJCT", [word_on(1, "ACSC")]), "is rejected", id="block and transfer"),
        pytest.param(papers.pain002("RJCT", "ACCP"), "is rejected", id="group and block"),
        pytest.param(
            papers.pain002("", "ACCP").replace(
                b"</CstmrPmtStsRpt>",
                b"<OrgnlPmtInfAndSts><PmtInfSts>RJCT</PmtInfSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt>",
            ),
            "contradict",
            id="two blocks",
        ),
        pytest.param(papers.pain002("", None, ["<TxSts>RJCT</TxSts>"]), "names no transfer", id="nobody's transfer"),
        pytest.param(papers.pain002("").replace(b"OrgnlMsgId", b"Other"), "OrgnlMsgId is missing", id="no message"),
        pytest.param(papers.pain002("", version="02"), "03 to 14", id="an old version"),
        pytest.param(papers.camt053([]), "pain.002", id="a statement"),
    ],
)
def test_a_report_that_can_not_be_acted_upon_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(BankFileInvalid, match=told):
        pain002.read(data)
