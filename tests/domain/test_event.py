"""Events are declared once, and shown as they are declared."""

import re
from pathlib import Path

import pytest

from merchantry.domain.event import CATALOGUE, EventKind, FactType, check, markdown
from merchantry.domain.permission import Permission

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
PERSONAL = re.compile(r"mail|address|phone|buyer|person|iban|recipient")


def test_the_documentation_shows_every_event() -> None:
    assert markdown() in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_is_declared_with_facts_and_permissions(kind: EventKind) -> None:
    declared = CATALOGUE[kind]
    assert declared.facts
    assert declared.platform.startswith("platform.")
    assert declared.staff is None or not declared.staff.startswith("platform.")
    assert declared.staff is None or declared.staff.is_reading
    assert declared.facts[0].type is FactType.ID
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", kind)


def test_no_fact_is_about_a_person() -> None:
    assert not [fact.name for each in CATALOGUE.values() for fact in each.facts if PERSONAL.search(fact.name)]


def test_buyers_are_told_of_orders_only() -> None:
    for kind, declared in CATALOGUE.items():
        if declared.to_buyer:
            assert "order" in {fact.name for fact in declared.facts}, kind
            assert declared.staff is Permission.ORDER_READ


def test_facts_that_are_not_declared_or_missing_are_refused() -> None:
    facts = {"order": "1", "number": "2", "total_minor": 3, "currency": "BRL"}
    check(EventKind.ORDER_CREATED, facts)
    with pytest.raises(ValueError, match="does not declare"):
        check(EventKind.ORDER_CREATED, {**facts, "email": "x"})
    with pytest.raises(ValueError, match="without"):
        check(EventKind.ORDER_CREATED, {"order": "1"})
