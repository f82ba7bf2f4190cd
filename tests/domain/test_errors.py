from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

import pytest

from merchantry.domain import errors
from merchantry.domain.errors import (
    CheckoutRejected,
    EmptyCheckout,
    InvalidInput,
    MarketError,
    OutOfStock,
    PlanInvalid,
    PlanMissing,
    ProductIncomplete,
    UnknownVariant,
)

VARIANT = UUID(int=7)
EXAMPLE_FACTS: dict[str, object] = {
    "at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "since": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "until": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "expired_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "currencies": ("EUR", "JPY"),
    "missing": ("a price", "a title"),
}


def every_error() -> list[type[MarketError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, MarketError) and kind is not MarketError
    ]


def an_example_of(kind: type[MarketError]) -> MarketError:
    facts: dict[str, object] = {}
    for fact in fields(kind):
        if fact.name == "problems":
            facts["problems"] = (("$.name", "give a text"),) if kind is PlanInvalid else (EmptyCheckout(),)
        elif fact.name != "path":
            facts[fact.name] = EXAMPLE_FACTS.get(fact.name, f"<{fact.name}>")
    return kind(**facts)  # type: ignore[arg-type]


def test_an_error_says_its_facts_and_the_remedy() -> None:
    error = OutOfStock(variant_id=VARIANT, available=3, path=("lines", 0))
    assert error.code == OutOfStock.code == "OUT_OF_STOCK"
    assert error.message == str(error) == "Only 3 left in stock; lower the quantity or remove the line."
    assert (error.variant_id, error.available, error.path) == (VARIANT, 3, ("lines", 0))


def test_an_error_can_be_raised_and_caught_as_its_base() -> None:
    with pytest.raises(MarketError, match="under the variant x;") as caught:
        raise UnknownVariant(variant_id="x")
    assert caught.value.path == ()
    assert isinstance(caught.value, UnknownVariant)


def test_errors_are_told_apart_by_identity() -> None:
    assert EmptyCheckout() != EmptyCheckout()
    assert len({EmptyCheckout(), EmptyCheckout()}) == 2


def test_a_message_leaves_braces_in_facts_alone() -> None:
    assert InvalidInput(reason="Send {this} instead.").message == "Send {this} instead."


def test_an_error_of_several_names_each_of_them() -> None:
    both = CheckoutRejected(problems=(EmptyCheckout(), OutOfStock(variant_id=VARIANT, available=0)))
    assert "The checkout has no lines" in both.message
    assert "Only 0 left in stock" in both.message
    assert PlanInvalid(problems=(("$.a", "give a"), ("$.b", "give b"))).message.endswith("$.a: give a; $.b: give b")
    assert "a price; a title" in ProductIncomplete(missing=("a price", "a title")).message


def test_an_instant_is_said_with_its_zone() -> None:
    error = PlanMissing(plan="standard", at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    assert "at 2026-03-01 09:30:00 UTC;" in error.message


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_code_of_its_own_and_a_whole_message(kind: type[MarketError]) -> None:
    assert kind.code.replace("_", "").lower() == kind.__name__.lower()
    assert [other for other in every_error() if other.code == kind.code] == [kind]
    message = an_example_of(kind).message
    assert "{" not in message
    assert "\n" not in message


def test_every_fact_is_given_by_name() -> None:
    with pytest.raises(TypeError):
        OutOfStock(VARIANT, 3)  # type: ignore[call-arg,arg-type]
