import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import UnknownCurrency
from merchantry.domain.statement import (
    FORMAT,
    KindTotal,
    Statement,
    StatementLine,
    canonical_bytes,
    content_hash,
    statement,
)

START = datetime(2026, 3, 1, 3, tzinfo=UTC)
END = datetime(2026, 4, 1, 3, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[2] / "docs" / "statement-format.md"


def a_line(entry_seq: int, amount_minor: int = 100, **changes: Any) -> StatementLine:
    facts: dict[str, Any] = {
        "kind": "release",
        "order_number": f"S-{entry_seq:06}",
        "available_at": START + timedelta(hours=entry_seq),
        "corrects": None,
        "text": "Order released",
    }
    return StatementLine(entry_seq=entry_seq, amount_minor=amount_minor, **facts | changes)


def a_statement(lines: Sequence[StatementLine] = (), **changes: Any) -> Statement:
    facts: dict[str, Any] = {
        "number": "ST-000001",
        "merchant_id": UUID(int=5),
        "merchant_name": "Casa Ltda",
        "currency": "BRL",
        "period_start": START,
        "period_end": END,
        "starts_on": date(2026, 3, 1),
        "ends_on": date(2026, 4, 1),
        "time_zone": "America/Sao_Paulo",
        "opening_minor": 50,
        "closing_minor": 50 + sum(line.amount_minor for line in lines),
    }
    return statement(lines=lines, **facts | changes)


@st.composite
def some_lines(draw: st.DrawFn) -> list[StatementLine]:
    seqs = draw(st.lists(st.integers(1, 10**6), unique=True, max_size=20))
    return [
        a_line(
            seq,
            draw(st.integers(-(10**12), 10**12)),
            kind=draw(st.sampled_from(("release", "refund", "adjustment"))),
            available_at=START + timedelta(seconds=draw(st.integers(-1000, 1000))),
        )
        for seq in seqs
    ]


@given(lines=some_lines(), opening_minor=st.integers(-(10**12), 10**12), data=st.data())
def test_opening_balance_and_every_kind_are_the_closing_balance(
    lines: list[StatementLine], opening_minor: int, data: st.DataObject
) -> None:
    closing_minor = opening_minor + sum(line.amount_minor for line in lines)
    made = a_statement(lines, opening_minor=opening_minor, closing_minor=closing_minor)
    assert made.opening_minor + sum(total.amount_minor for total in made.by_kind) == made.closing_minor
    assert sum(total.entries for total in made.by_kind) == len(lines)
    shuffled = a_statement(data.draw(st.permutations(lines)), opening_minor=opening_minor, closing_minor=closing_minor)
    assert canonical_bytes(shuffled) == canonical_bytes(made)


def test_lines_stand_by_the_time_they_became_available_then_by_seq() -> None:
    late = a_line(9, available_at=START - timedelta(days=2), corrects=1, kind="adjustment")
    made = a_statement([a_line(4, available_at=START), a_line(3, available_at=START), late])
    assert [line.entry_seq for line in made.lines] == [9, 3, 4]
    assert made.by_kind == (KindTotal("adjustment", 1, 100), KindTotal("release", 2, 200))


def test_a_statement_without_lines_carries_the_balance() -> None:
    assert (a_statement().closing_minor, a_statement().by_kind) == (50, ())


@pytest.mark.parametrize("closing_minor", [149, 151, -150, 0])
def test_a_statement_that_does_not_add_up_is_refused(closing_minor: int) -> None:
    with pytest.raises(ValueError, match="opening balance and lines are not the closing balance"):
        a_statement([a_line(1)], closing_minor=closing_minor)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([a_line(1), a_line(1)], "one line only"),
        ([a_line(1, available_at=END)], "later period"),
        ([a_line(2, corrects=2)], "corrects no earlier entry"),
        ([a_line(2, available_at=START.replace(tzinfo=None))], "time zone"),
    ],
    ids=["twice", "too late", "itself", "no zone"],
)
def test_lines_that_can_not_be_are_refused(lines: list[StatementLine], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_statement(lines)


@pytest.mark.parametrize(
    "changes",
    [{"period_end": START}, {"ends_on": date(2026, 2, 28)}, {"period_start": START.replace(tzinfo=None)}],
    ids=["empty", "days backwards", "no zone"],
)
def test_periods_that_can_not_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="period"):
        a_statement(**changes)


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(UnknownCurrency):
        a_statement(currency="XXX")


def test_a_statement_read_back_with_other_totals_or_another_order_is_refused() -> None:
    made = a_statement([a_line(1), a_line(2)])
    with pytest.raises(ValueError, match="totals by kind"):
        replace(made, by_kind=(KindTotal("release", 1, 200),))
    with pytest.raises(ValueError, match="lines stand by"):
        replace(made, lines=made.lines[::-1])


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "ST-000002"},
        {"merchant_name": "Casa Ltda."},
        {"currency": "USD"},
        {"time_zone": "UTC"},
        {"period_start": START + timedelta(microseconds=1)},
        {"lines": (a_line(1, text="Order  released"),)},
        {"lines": (a_line(1, corrects=0),)},
    ],
    ids=["number", "name", "currency", "zone", "start", "text", "corrects"],
)
def test_every_fact_counts_in_the_hash(changes: dict[str, Any]) -> None:
    made = a_statement([a_line(1)])
    assert content_hash(replace(made, **changes)) != content_hash(made)


def test_the_test_vector_of_the_documentation_holds() -> None:
    page = DOCUMENT.read_text()
    ((facts, length, shown, digest),) = re.findall(
        r"```json\n(.*?)```.*?Canonical bytes \((\d+)\):\n\n```text\n(.*?)\n```\n\nContent hash: `([0-9a-f]{64})`",
        page,
        re.DOTALL,
    )
    given_facts = json.loads(facts)
    names = ("entry_seq", "kind", "order_number", "available_at", "amount_minor", "corrects", "text")
    lines = [dict(zip(names, line, strict=True)) for line in given_facts.pop("lines")]
    for name in ("period_start", "period_end"):
        given_facts[name] = datetime.fromisoformat(given_facts[name])
    for name in ("starts_on", "ends_on"):
        given_facts[name] = date.fromisoformat(given_facts[name])
    given_facts["merchant_id"] = UUID(given_facts["merchant_id"])
    made = statement(
        lines=[
            StatementLine(**line | {"available_at": datetime.fromisoformat(line["available_at"])}) for line in lines
        ],
        **given_facts,
    )
    assert canonical_bytes(made) == shown.encode()
    assert len(shown.encode()) == int(length)
    assert content_hash(made).hex() == digest
    assert hashlib.sha256(FORMAT.encode() + b"\n" + shown.encode()).hexdigest() == digest
