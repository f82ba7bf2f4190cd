"""The file for the bank."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from importlib.resources import files
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from merchantry.domain.money import CURRENCY_DIGITS, MAX_AMOUNT_MINOR, format_minor, parse_minor
from merchantry.gateways.iso20022 import pain001
from merchantry.gateways.iso20022.letters import in_bank_letters
from merchantry.gateways.payout import REFERENCE, Batch, Instruction, PayeeBank, PayeeWallet
from tests.gateways.papers import BANK, DEBTOR, IBAN, a_batch, an_instruction

SCHEMA = xmlschema.XMLSchema((files("sepaxml") / "schemas" / "pain.001.001.09.xsd").read_text())
NAMES = {"": pain001.NAMESPACE}

banks = st.builds(
    PayeeBank,
    holder=st.text(min_size=1, max_size=200),
    iban=st.sampled_from([IBAN, "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]),
    account_number=st.none(),
    bic=st.sampled_from([None, "DEUTDEFF", "DEUTDEFF500"]),
    country=st.just("DE"),
)
other_banks = st.builds(
    PayeeBank,
    holder=st.text(min_size=1, max_size=200),
    iban=st.none(),
    account_number=st.from_regex(r"[0-9A-Z]{1,34}", fullmatch=True),
    bic=st.just("BRASBRRJ"),
    country=st.just("BR"),
)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Batch, list[Instruction]]:
    batch = Batch(
        id=draw(st.uuids()),
        created_at=datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 3 * 10**9))),
        currency=draw(st.sampled_from(sorted(CURRENCY_DIGITS))),
        execute_on=draw(st.dates(date(2000, 1, 1), date(2100, 1, 1))),
    )
    keys = draw(st.lists(st.uuids(), min_size=1, max_size=5, unique=True))
    references = draw(
        st.lists(
            st.from_regex(REFERENCE, fullmatch=True, alphabet=st.characters(codec="ascii")),
            min_size=len(keys),
            max_size=len(keys),
            unique=True,
        )
    )
    instructions = [
        Instruction(
            key, draw(st.integers(1, MAX_AMOUNT_MINOR)), batch.currency, draw(st.one_of(banks, other_banks)), reference
        )
        for key, reference in zip(keys, references, strict=True)
    ]
    return batch, [each for each in instructions if not pain001.refusal(each)]


@given(batches())
@settings(max_examples=60, deadline=None)
def test_every_file_is_valid_and_its_sums_are_those_of_its_instructions(
    given_batch: tuple[Batch, list[Instruction]],
) -> None:
    batch, instructions = given_batch
    if not instructions:
        return
    data = pain001.write(batch, DEBTOR, instructions)
    root = parsed(data)
    SCHEMA.validate(root)
    total = format_minor(sum(each.amount_minor for each in instructions), batch.currency)
    for place in (".//GrpHdr", ".//PmtInf"):
        assert text(root, f"{place}/CtrlSum") == total
        assert text(root, f"{place}/NbOfTxs") == str(len(instructions))
    written = {
        UUID(text(node, "PmtId/InstrId")): (
            parse_minor(text(node, "Amt/InstdAmt"), batch.currency),
            text(node, "PmtId/EndToEndId"),
        )
        for node in root.iterfind(".//CdtTrfTxInf", NAMES)
    }
    assert written == {each.key: (each.amount_minor, each.reference) for each in instructions}
    assert pain001.write(batch, DEBTOR, instructions[::-1]) == data
    assert pain001.batch_of(text(root, ".//GrpHdr/MsgId")) == batch.id


@given(st.text(max_size=200), st.integers(1, 140))
def test_a_text_in_bank_letters_has_only_those_and_stays_itself(words: str, longest: int) -> None:
    written = in_bank_letters(words, longest)
    assert set(written) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")
    assert len(written) <= longest
    assert in_bank_letters(written, longest) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [("Müller & Söhne", "Muller + Sohne"), ("Łódź", "Lodz"), ("北京", "BeiJing"), ("a\tb  c", "a b c"), ("\x00", "")],
    ids=["german", "polish", "chinese", "blanks", "nothing"],
)
def test_names_are_written_in_the_nearest_letters(name: str, written: str) -> None:
    assert in_bank_letters(name, 70) == written


def test_the_parts_of_a_sepa_file() -> None:
    batch = a_batch()
    root = parsed(pain001.write(batch, DEBTOR, [an_instruction()]))
    assert text(root, ".//PmtInf/PmtInfId") == f"{batch.id.hex}-1"
    assert text(root, ".//PmtTpInf/SvcLvl/Cd") == "SEPA"
    assert text(root, ".//ChrgBr") == "SLEV"
    assert text(root, ".//ReqdExctnDt/Dt") == "2026-03-31"
    assert text(root, ".//CreDtTm") == "2026-03-30T09:30:00Z"
    assert text(root, ".//CdtrAcct/Id/IBAN") == IBAN
    assert text(root, ".//InstdAmt") == "12.30"
    assert text(root, ".//RmtInf/Ustrd") == "PO-1"


def test_an_account_without_iban_is_written_by_number_and_bank() -> None:
    payee = PayeeBank("Loja", None, "00012345678", "BRASBRRJ", "BR")
    root = parsed(pain001.write(a_batch(currency="JPY"), DEBTOR, [an_instruction(payee=payee, currency="JPY")]))
    SCHEMA.validate(root)
    assert text(root, ".//CdtrAcct/Id/Othr/Id") == "00012345678"
    assert text(root, ".//CdtrAgt/FinInstnId/BICFI") == "BRASBRRJ"
    assert text(root, ".//InstdAmt") == "1230"
    assert text(root, ".//ChrgBr") == "SHAR"
    assert root.find(".//PmtTpInf", NAMES) is None


def test_the_moment_of_a_batch_is_written_in_utc() -> None:
    batch = replace(a_batch(), created_at=datetime(2026, 3, 30, 11, 30, tzinfo=timezone(timedelta(hours=2))))
    assert pain001.write(batch, DEBTOR, [an_instruction()]) == pain001.write(a_batch(), DEBTOR, [an_instruction()])


@pytest.mark.parametrize(
    "payee",
    [
        pytest.param(PayeeWallet("Lamps", "w1"), id="a wallet"),
        pytest.param(replace(BANK, iban=None), id="no account"),
        pytest.param(replace(BANK, iban=None, account_number="1234"), id="a number without its bank"),
        pytest.param(replace(BANK, holder="\x00"), id="a name of nothing"),
        pytest.param(replace(BANK, iban="DE 89"), id="no IBAN's form"),
        pytest.param(replace(BANK, bic="DEUT"), id="no BIC's form"),
    ],
)
def test_what_a_bank_can_not_carry_out_is_refused_before_it_is_written(payee: Any) -> None:
    assert pain001.refusal(an_instruction(payee=payee))
    with pytest.raises(ValueError, match="can't be written"):
        pain001.write(a_batch(), DEBTOR, [an_instruction(payee=payee)])


def test_a_sum_with_too_many_digits_is_refused() -> None:
    many = [an_instruction(number, MAX_AMOUNT_MINOR) for number in range(1, 1001)]
    with pytest.raises(ValueError, match="divide the batch"):
        pain001.write(a_batch(), DEBTOR, many)
    assert Decimal(text(parsed(pain001.write(a_batch(), DEBTOR, many[:900])), ".//GrpHdr/CtrlSum")) == 9 * 10**15


def test_only_our_own_message_ids_are_batches() -> None:
    assert pain001.batch_of(a_batch(7).id.hex) == UUID(int=7)
    for other in ("", "X", str(UUID(int=7)), f"{{{UUID(int=7)}}}", "A" * 32):
        assert pain001.batch_of(other) is None


def parsed(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)


def text(node: ElementTree.Element, path: str) -> str:
    found = node.findtext(path, namespaces=NAMES)
    assert found is not None, path
    return found
