from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.commission import LineToRate, Plan, commissions, parse_plan
from merchantry.domain.money import of_bps
from merchantry.domain.settlement import Cycle, Schedule, period_of
from merchantry.domain.tiers import (
    Slice,
    Step,
    TierMode,
    Tiers,
    TierWindow,
    Volume,
    counted,
    slices,
    true_up,
    window_of,
)
from tests.domain import strategies
from tests.domain.strategies import CURRENCIES, full_plan_documents, sold_orders

STEPS = (Step({}, 1000), Step({"BRL": 10_000_000, "JPY": 500_000}, 800), Step({"BRL": 20_000_000}, 500))
MARGINAL = Tiers(TierMode.MARGINAL, TierWindow.CALENDAR_MONTH, "America/Sao_Paulo", False, STEPS)
RETROACTIVE = replace(MARGINAL, mode=TierMode.RETROACTIVE)


def a_plan(mode: str, **terms: Any) -> Plan:
    tiers = {
        "mode": mode,
        "window": "settlement_period",
        "refunds_lower_volume": True,
        "steps": [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": 10_000_000, "rate_bps": 800}],
    }
    default = {"tiers": tiers, **terms}
    return parse_plan({"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": default})


def lines(*goods_minor: int) -> list[LineToRate]:
    return [LineToRate("acme", None, None, "BRL", 1, goods, 0) for goods in goods_minor]


def parts(tiers: Tiers, volume_minor: int, base_minor: int, currency: str = "BRL") -> list[tuple[int, int, int]]:
    cuts = slices(tiers, currency, Volume(volume_minor), base_minor)
    return [(cut.amount_minor, cut.rate_bps, cut.part_minor) for cut in cuts]


def test_an_order_of_3_000_00_after_99_000_00_is_split_across_the_boundary_at_100_000_00() -> None:
    found = commissions(a_plan("marginal"), lines(300_000), {"default": Volume(9_900_000)})
    (line,) = found.lines
    assert line.commission_minor == 26_000
    assert line.slices == (Slice(0, 100_000, 1000, 10_000), Slice(10_000_000, 200_000, 800, 16_000))
    assert (line.rate_bps, line.volume_before_minor) == (800, 9_900_000)
    assert found.volumes["default"].counted_minor == 10_200_000
    assert found.true_ups == ()


def test_a_line_can_cross_several_steps_and_ends_exactly_on_one() -> None:
    assert parts(MARGINAL, 0, 20_000_001) == [
        (10_000_000, 1000, 1_000_000),
        (10_000_000, 800, 800_000),
        (1, 500, 0),
    ]
    assert parts(MARGINAL, 9_999_990, 10) == [(10, 1000, 1)]
    assert parts(MARGINAL, 10_000_000, 10) == [(10, 800, 1)]
    assert parts(MARGINAL, 10_000_000, 0) == [(0, 800, 0)]


def test_each_slice_is_rounded_half_up_on_its_own() -> None:
    assert parts(MARGINAL, 9_999_995, 12) == [(5, 1000, 1), (7, 800, 1)]


def test_a_currency_has_the_steps_that_name_it() -> None:
    assert parts(MARGINAL, 20_000_000, 100, "JPY") == [(100, 800, 8)]
    assert parts(MARGINAL, 20_000_000, 100, "KWD") == [(100, 1000, 10)]


def test_lines_of_an_order_are_counted_one_after_the_other() -> None:
    found = commissions(a_plan("marginal"), lines(60_000, 60_000), {"default": Volume(9_900_000)})
    assert [line.commission_minor for line in found.lines] == [6_000, 4_000 + 1_600]


def test_a_retroactive_line_has_the_rate_of_the_step_that_it_reaches() -> None:
    assert parts(RETROACTIVE, 9_900_000, 99_999) == [(99_999, 1000, 10_000)]
    assert parts(RETROACTIVE, 9_900_000, 100_000) == [(100_000, 800, 8_000)]


def test_a_crossing_trues_up_the_window_so_far_once() -> None:
    plan = a_plan("retroactive", commission_tax_bps=1000)
    first = commissions(plan, lines(5_000_000, 4_900_000))
    assert [line.commission_minor for line in first.lines] == [500_000, 490_000]
    second = commissions(plan, lines(50_000, 60_000, 10_000), first.volumes)
    assert [line.commission_minor for line in second.lines] == [5_000, 4_800, 800]
    (due,) = second.true_ups
    assert (due.rule, due.volume_minor, due.booked_minor, due.rate_bps) == ("default", 9_950_000, 995_000, 800)
    assert (due.amount_minor, due.tax_minor) == (-199_000, -19_900)
    assert due.amount_minor == true_up(9_950_000, 995_000, 800)
    assert commissions(plan, lines(10_000), second.volumes).true_ups == ()


def test_two_crossings_of_one_order_make_one_true_up() -> None:
    plan = a_plan("retroactive")
    tiers = replace(RETROACTIVE, window=TierWindow.SETTLEMENT_PERIOD, time_zone=None)
    rule = replace(plan.rules[0], terms=replace(plan.rules[0].terms, tiers=tiers))
    found = commissions(replace(plan, rules=(rule,)), lines(9_000_000, 1_000_000, 10_000_000))
    assert [line.rate_bps for line in found.lines] == [1000, 800, 500]
    (due,) = found.true_ups
    assert (due.volume_minor, due.booked_minor, due.amount_minor) == (10_000_000, 980_000, -480_000)


def test_lines_that_a_cap_decided_are_not_trued_up() -> None:
    plan = a_plan("retroactive", cap_minor=1_000)
    first = commissions(plan, lines(9_900_000, 5_000))
    assert [line.commission_minor for line in first.lines] == [1_000, 500]
    (due,) = commissions(plan, lines(100_000), first.volumes).true_ups
    assert (due.volume_minor, due.booked_minor, due.amount_minor) == (5_000, 500, -100)


def test_a_months_window_is_in_its_own_zone_and_a_periods_is_the_merchants() -> None:
    instant = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
    period = period_of(instant, Schedule(ZoneInfo("Asia/Tokyo"), Cycle.WEEKLY))
    month = window_of(MARGINAL, instant, period)
    assert (month.starts_at, month.ends_at) == (
        datetime(2026, 2, 1, 3, tzinfo=UTC),
        datetime(2026, 3, 1, 3, tzinfo=UTC),
    )
    assert window_of(replace(MARGINAL, window=TierWindow.SETTLEMENT_PERIOD), instant, period) == period


@given(full_plan_documents(), sold_orders(), st.integers(0, 10**9))
def test_slices_sum_to_the_base_and_their_parts_to_the_rates_part(document: Any, order: Any, before: int) -> None:
    plan = parse_plan(document)
    volumes = {rule.name: Volume(before, before) for rule in plan.rules}
    found = commissions(plan, [line for _, line in order], volumes)
    for line in found.lines:
        assert sum(cut.amount_minor for cut in line.slices) == line.base_minor
        assert sum(cut.part_minor for cut in line.slices) == line.rate_part_minor
        assert all(cut.part_minor == of_bps(cut.amount_minor, cut.rate_bps) for cut in line.slices)
    for rule in plan.rules:
        if rule.terms.tiers is not None:
            sold = sum(line.base_minor for line in found.lines if line.rule == rule.name)
            assert found.volumes[rule.name].counted_minor == before + sold


@given(strategies.tiers(), st.sampled_from(CURRENCIES), st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_marginal_commission_is_the_same_however_a_volume_is_cut_into_orders(
    document: dict[str, Any], currency: str, bases: list[int]
) -> None:
    tiers = read(document | {"mode": "marginal"}, currency)
    apart, volume = 0, Volume()
    for base in bases:
        cuts = slices(tiers, currency, volume, base)
        apart += sum(cut.part_minor for cut in cuts)
        volume = counted(volume, base, 0, bound=False)
    together = sum(cut.part_minor for cut in slices(tiers, currency, Volume(), sum(bases)))
    assert abs(apart - together) <= len(bases) + len(tiers.steps)  # a half unit for each slice's rounding


@given(strategies.tiers(), st.sampled_from(CURRENCIES), st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_after_a_crossing_all_of_the_window_stands_at_the_new_rate(
    document: dict[str, Any], currency: str, bases: list[int]
) -> None:
    rates = sorted((step["rate_bps"] for step in document["steps"]), reverse=True)
    steps = [step | {"rate_bps": rate} for step, rate in zip(document["steps"], rates, strict=True)]
    default = {"tiers": document | {"mode": "retroactive", "steps": steps}}
    plan = parse_plan({"name": "p", "currency": currency, "base": "goods", "hold_days": 0, "default": default})
    found = commissions(plan, [LineToRate("acme", None, None, currency, 1, base, 0) for base in bases])
    booked = sum(line.rate_part_minor for line in found.lines) + sum(due.amount_minor for due in found.true_ups)
    assert abs(booked - of_bps(sum(bases), found.lines[-1].rate_bps)) <= len(bases)


def read(document: dict[str, Any], currency: str) -> Tiers:
    default = {"tiers": document}
    plan = parse_plan({"name": "p", "currency": currency, "base": "goods", "hold_days": 0, "default": default})
    tiers = plan.rules[0].terms.tiers
    if tiers is None:
        pytest.fail("the tiers are lost")
    return tiers
