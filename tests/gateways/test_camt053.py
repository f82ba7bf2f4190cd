"""Statements of a bank."""

import importlib
from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xsdata.formats.dataclass.parsers import XmlParser

from merchantry.domain.errors import BankFileInvalid
from merchantry.domain.money import MAX_AMOUNT_MINOR, format_minor
from merchantry.gateways.bank_statement import BankStatement
from merchantry.gateways.iso20022 import camt053
from tests.gateways import papers
from tests.gateways.papers import DEBTOR, Entry

VERSIONS = ["02", "04", "06", "08", "12"]
RETURN = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>Account closed</AddtlInf></RtrInf>"
NOTE = "<RmtInf><Ustrd>PO-1</Ustrd><Ustrd>March</Ustrd></RmtInf>"


def the_statement(data: bytes) -> BankStatement:
    (statement,) = camt053.read(data)
    return statement


@pytest.mark.parametrize("version", VERSIONS)
def test_a_payment_is_a_line(version: str) -> None:
    entry = Entry("12.30", parts=[("PO-1", "12.30")], within=NOTE)
    statement = the_statement(papers.camt053([entry], "100.00", "87.70", version=version))
    assert (statement.id, statement.account, statement.currency) == ("S1", DEBTOR.iban, "EUR")
    assert (statement.opening_minor, statement.closing_minor) == (10000, 8770)
    assert statement.from_on == statement.to_on == date(2026, 3, 31)
    (line,) = statement.lines
    assert (line.position, line.amount_minor, line.currency) == (1, -1230, "EUR")
    assert (line.booked_on, line.value_on) == (date(2026, 3, 31), date(2026, 4, 1))
    assert (line.end_to_end_id, line.reference, line.text) == ("PO-1", "B1", "PO-1 March")
    assert not line.is_return
    assert line.reason is None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_statements_of_these_tests_are_of_the_standards_shape(version: str) -> None:
    module = importlib.import_module(f"pyiso20022.camt.camt_053_001_{version}")
    entries = [Entry("12.30", "CRDT", parts=[("PO-1", "12.30")], within=NOTE + RETURN), Entry("1.00")]
    assert XmlParser().from_bytes(papers.camt053(entries, version=version), module.Document)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_booking_of_several_transfers_is_several_lines(version: str) -> None:
    entries = [Entry("30.00", parts=[("PO-1", "10.00"), ("PO-2", "20.00")]), Entry("5.00", "CRDT")]
    statement = the_statement(papers.camt053(entries, "100.00", "75.00", version=version))
    assert [(line.position, line.amount_minor, line.end_to_end_id) for line in statement.lines] == [
        (1, -1000, "PO-1"),
        (2, -2000, "PO-2"),
        (3, 500, None),
    ]
    assert statement.lines[2].text == "transfer"


def test_a_returned_payment_is_a_return_with_its_reason() -> None:
    entry = Entry("12.30", "CRDT", parts=[("PO-1", "12.30")], within=RETURN)
    (line,) = the_statement(papers.camt053([entry], "0.00", "12.30")).lines
    assert (line.amount_minor, line.end_to_end_id, line.is_return) == (1230, "PO-1", True)
    assert line.reason == "AC04 Account closed"


@pytest.mark.parametrize("sign", ["<RvslInd>true</RvslInd>", "RRTN"])
def test_a_reversal_is_a_return(sign: str) -> None:
    data = papers.camt053([Entry("12.30", "CRDT", extra=sign if sign.startswith("<") else "")], "0.00", "12.30")
    (line,) = the_statement(data.replace(b"ESCT", b"RRTN") if sign == "RRTN" else data).lines
    assert line.is_return


def test_a_reference_that_was_not_provided_is_none() -> None:
    entry = Entry("1.00", "CRDT", parts=[("NOTPROVIDED", "1.00")])
    (line,) = the_statement(papers.camt053([entry], "0.00", "1.00")).lines
    assert line.end_to_end_id is None


def test_what_is_not_booked_does_not_count() -> None:
    entries = [Entry("1.00"), Entry("9.00", status="PDNG"), Entry("9.00", status="INFO")]
    assert len(the_statement(papers.camt053(entries, "1.00", "0.00")).lines) == 1


def test_an_overdrawn_account_has_balances_below_zero() -> None:
    statement = the_statement(papers.camt053([Entry("2.50")], "1.00", "-1.50"))
    assert (statement.opening_minor, statement.closing_minor) == (100, -150)


def test_a_single_transfer_has_the_amount_that_was_booked() -> None:
    """Its own amount may be in another currency, or before charges."""
    data = papers.camt053([Entry("12.30", parts=[("PO-1", "99.00")])], "12.30", "0.00")
    assert the_statement(data).lines[0].amount_minor == -1230


def test_a_file_may_have_several_statements() -> None:
    one = papers.camt053([Entry("1.00")], "1.00", "0.00")
    start, end = one.index(b"<Stmt>"), one.index(b"</BkToCstmrStmt>")
    two = one[:start] + one[start:end] + one[start:end].replace(b">S1<", b">S2<") + one[end:]
    assert [statement.id for statement in camt053.read(two)] == ["S1", "S2"]


amounts = st.integers(0, MAX_AMOUNT_MINOR // 1000)
bookings = st.lists(st.tuples(st.booleans(), st.lists(amounts, min_size=1, max_size=4)), max_size=6)


@given(bookings, st.integers(-MAX_AMOUNT_MINOR // 2, MAX_AMOUNT_MINOR // 2), st.sampled_from(VERSIONS))
@settings(max_examples=60, deadline=None)
def test_lines_are_what_was_booked_and_lead_from_one_balance_to_the_other(
    booked: Sequence[tuple[bool, list[int]]], opening_minor: int, version: str
) -> None:
    entries, moved = [], []
    for number, (credit, parts) in enumerate(booked):
        details = [(f"PO-{number}-{each}", format_minor(amount, "EUR")) for each, amount in enumerate(parts)]
        entries.append(Entry(format_minor(sum(parts), "EUR"), "CRDT" if credit else "DBIT", parts=details))
        moved += [amount if credit else -amount for amount in parts]
    ends = [format_minor(minor, "EUR") for minor in (opening_minor, opening_minor + sum(moved))]
    statement = the_statement(papers.camt053(entries, *ends, version=version))
    assert [line.amount_minor for line in statement.lines] == moved
    assert [line.position for line in statement.lines] == list(range(1, len(moved) + 1))
    assert statement.closing_minor == opening_minor + sum(moved)


GOOD = papers.camt053([Entry("12.30", parts=[("PO-1", "10.00"), ("PO-2", "2.30")])], "100.00", "87.70")
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
BALANCE = GOOD[GOOD.rindex(b"<Bal>") : GOOD.rindex(b"</Bal>") + len(b"</Bal>")]
MALFORMED = {
    "nothing": (b"", "not well-formed"),
    "no XML": (b"date;amount", "not well-formed"),
    "cut off": (GOOD[:-20], "not well-formed"),
    "an unknown encoding": (GOOD.replace(b"UTF-8", b"rot13"), "not well-formed"),
    "another encoding than it says": (GOOD.replace(b"transfer", b"\xff\xfe"), "not well-formed"),
    "an entity bomb": (GOOD.replace(b"<Document", BOMB + b"<Document"), "document type definition"),
    "an outside entity": (
        GOOD.replace(b"<Document", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Document'),
        "document type definition",
    ),
    "an outside definition": (
        GOOD.replace(b"<Document", b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><Document'),
        "document type definition",
    ),
    "no namespace": (GOOD.replace(b' xmlns="urn', b' other="urn'), "its root is Document"),
    "another message": (GOOD.replace(b"camt.053", b"camt.054"), "its root is"),
    "a later version": (GOOD.replace(b"001.08", b"001.99"), "02 to 13"),
    "no statement": (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"/>', "BkToCstmrStmt is missing"),
    "no entry's amount": (GOOD.replace(b'<Amt Ccy="EUR">12.30</Amt>', b""), r"Stmt\[1\]/Ntry\[1\]: Amt is missing"),
    "two amounts": (GOOD.replace(b'<Amt Ccy="EUR">12.30</Amt>', b'<Amt Ccy="EUR">12.30</Amt>' * 2), "Amt is there 2"),
    "an empty amount": (GOOD.replace(b">12.30<", b"><"), "Ntry.*is empty"),
    "too many digits": (GOOD.replace(b">12.30<", b">12.300<"), r"Ntry\[1\]/Amt.*decimal digits"),
    "a float": (GOOD.replace(b">12.30<", b">1.23e1<"), "Ntry.*plain digits"),
    "a comma": (GOOD.replace(b">12.30<", b">12,30<"), "Ntry.*plain digits"),
    "a sign": (GOOD.replace(b">12.30<", b">-12.30<"), "has a sign"),
    "an enormous amount": (GOOD.replace(b">12.30<", b">99999999999999999<"), "too large"),
    "an amount beyond all bounds": (GOOD.replace(b">12.30<", b">" + b"9" * 5000 + b"<"), "Ntry.*can't be read"),
    "no currency": (GOOD.replace(b'<Amt Ccy="EUR">12.30', b"<Amt>12.30"), "Ccy"),
    "another currency": (GOOD.replace(b'<Amt Ccy="EUR">12.30', b'<Amt Ccy="USD">12.30'), "in USD"),
    "no such currency": (GOOD.replace(b"EUR", b"XYZ"), "XYZ"),
    "no side": (GOOD.replace(b"DBIT", b"LEFT"), "CRDT nor DBIT"),
    "no status": (GOOD.replace(b">BOOK<", b">NEWS<"), "no status of an entry"),
    "no day": (GOOD.replace(b"<Dt>2026-03-31</Dt>", b"<Dt>2026-02-30</Dt>"), "no date"),
    "no account": (GOOD.replace(b"IBAN", b"Nban"), "Othr/Id is missing"),
    "no opening balance": (GOOD.replace(b"OPBD", b"ITBD"), "no balance OPBD or PRCD"),
    "no closing balance": (GOOD.replace(b"CLBD", b"ITBD"), "no balance CLBD"),
    "two closing balances": (GOOD.replace(b"<Ntry>", BALANCE + b"<Ntry>"), "second balance CLBD"),
    "balances that do not add up": (GOOD.replace(b">87.70<", b">87.71<"), "are not the closing balance 8771"),
    "transfers that do not add up": (GOOD.replace(b">2.30<", b">2.31<"), r"Ntry\[1\]: its transfers sum to -1231"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_the_place_of_the_fault(name: str) -> None:
    data, told = MALFORMED[name]
    assert data != GOOD
    with pytest.raises(BankFileInvalid, match=told):
        camt053.read(data)


def test_the_file_that_the_malformed_ones_are_made_of_is_good() -> None:
    assert len(the_statement(GOOD).lines) == 2


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_damage_is_refused_or_leaves_a_statement_that_adds_up(place: int, put: bytes) -> None:
    try:
        statements = camt053.read(GOOD[:place] + put + GOOD[place + 1 :])
    except BankFileInvalid:
        return
    for statement in statements:
        assert statement.opening_minor is not None
        moved = sum(line.amount_minor for line in statement.lines)
        assert statement.opening_minor + moved == statement.closing_minor
