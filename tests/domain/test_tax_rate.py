"""Which rate of sales tax a line has, and what it comes to after discounts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from merchantry.domain.errors import InvalidInput
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.tax import Remitter
from merchantry.domain.tax_rate import TaxRate, check_rate, narrowest, taxed

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RATE = TaxRate(UUID(int=1), "US", "", "", "US", 500, False, False, Remitter.MERCHANT, NOW)


def test_the_region_goes_before_the_country_and_then_the_category_before_all() -> None:
    rates = [
        replace(RATE, region=region, category=category, jurisdiction=f"{region}/{category}")
        for region in ("", "CA")
        for category in ("", "books")
    ]
    for known, category, expected in [
        (rates, "books", "CA/books"),
        (rates, "toys", "CA/"),
        (rates[:3], "books", "CA/"),
        (rates[:2], "books", "/books"),
        (rates[:2], "toys", "/"),
        (rates[1:2], "toys", None),
        ([], "toys", None),
    ]:
        found = narrowest(known, category)
        assert (found.jurisdiction if found else None) == expected


def test_tax_is_on_what_the_merchant_asks_for_and_the_platforms_discount_does_not_lower_it() -> None:
    line = LineAmounts(10_000, 1_000, discount_merchant_minor=1_000, discount_platform_minor=2_000)
    added = taxed(line, RATE)
    assert added.tax is not None
    assert added.tax.tax_minor == 450  # 5 % of 90.00
    assert added.paid_minor == 10_000 + 1_000 - 3_000 + 450
    shipped = taxed(line, replace(RATE, covers_shipping=True))
    assert shipped.tax is not None
    assert shipped.tax.tax_minor == 500  # 5 % of 100.00
    inside = taxed(line, replace(RATE, inclusive=True, rate_bps=1900))
    assert inside.tax is not None
    assert inside.tax.tax_minor == 1437  # 90.00 - 90.00 / 1.19
    assert inside.paid_minor == line.paid_minor
    assert taxed(line, None) == line


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        pytest.param({"country": "USA"}, "country", id="country"),
        pytest.param({"region": "California"}, "region", id="region"),
        pytest.param({"jurisdiction": " "}, "jurisdiction", id="jurisdiction"),
        pytest.param({"rate_bps": 10_001}, "rate_bps", id="rate"),
        pytest.param({"effective_from": NOW.replace(hour=11)}, "effective_from", id="past"),
    ],
)
def test_a_rate_that_can_not_be_is_refused(changed: dict[str, Any], path: str) -> None:
    check_rate(RATE, NOW)
    with pytest.raises(InvalidInput) as refused:
        check_rate(replace(RATE, **changed), NOW)
    assert refused.value.path == (path,)
