from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import InvalidInput
from merchantry.domain.exchange import Exchange, entry, exchanged

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
ID = UUID(int=7)


def made(minor: int, currency: str, to: str, rate: str, **more: Any) -> Exchange:
    facts: dict[str, Any] = {"source": "the central bank", "rate_at": NOON, "at": NOON, **more}
    return exchanged(ID, minor, currency, to, rate=rate, **facts)


@pytest.mark.parametrize(
    ("minor", "currency", "to", "rate", "gives"),
    [
        (10_000, "BRL", "EUR", "0.1834", 1_834),
        (10_001, "BRL", "EUR", "0.5", 5_001),
        (10_000, "BRL", "JPY", "27.345", 2_735),
        (1_000, "JPY", "KWD", "0.002", 2_000),
        (1, "KWD", "JPY", "490", 0),
    ],
)
def test_an_amount_is_rounded_once_to_the_other_currencys_minor_units(
    minor: int, currency: str, to: str, rate: str, gives: int
) -> None:
    if not gives:
        with pytest.raises(InvalidInput):
            made(minor, currency, to, rate)
    else:
        assert made(minor, currency, to, rate).to_minor == gives


@pytest.mark.parametrize("rate", ["0", "-1", "1e3", "1,5", ".5", "1.", "01", "NaN", "", "1." + "0" * 13, "٣"])
def test_a_rate_is_a_plain_decimal_above_zero(rate: str) -> None:
    with pytest.raises(InvalidInput):
        made(100, "BRL", "EUR", rate)


def test_one_currency_no_amount_no_source_and_a_rate_to_come_are_refused() -> None:
    later = {"rate_at": NOON + timedelta(seconds=1)}
    for minor, to, more in ((100, "BRL", {}), (0, "EUR", {}), (100, "EUR", {"source": " "}), (100, "EUR", later)):
        with pytest.raises(InvalidInput):
            made(minor, "BRL", to, "1", **more)


@given(st.integers(1, 10**12), st.decimals(Decimal("0.001"), Decimal(10_000), places=6))
def test_the_entry_balances_in_each_currency_and_says_what_was_exchanged(minor: int, rate: Decimal) -> None:
    try:
        found = made(minor, "BRL", "EUR", f"{rate:f}")
    except InvalidInput:
        return
    booked = entry(found, occurred_at=NOON)
    assert [(each.account, each.currency, each.amount_minor) for each in booked.postings[::3]] == [
        ("merchant_available", "BRL", -minor),
        ("merchant_available", "EUR", found.to_minor),
    ]
    assert (booked.details["rate"], booked.details["exchange"]) == (found.rate, str(ID))
    assert abs(Decimal(found.to_minor) - minor * rate) <= Decimal("0.5")
