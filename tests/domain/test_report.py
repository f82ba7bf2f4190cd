"""What can be asked of reports, and when saved ones are produced: days without gaps, through every change of clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import InvalidInput
from merchantry.domain.ledger import EntryKind
from merchantry.domain.report_forms import FORMS, STATEMENT_KINDS
from merchantry.domain.report_kind import ColumnType, ReportKind
from merchantry.domain.report_request import FIRST_DAY, LAST_DAY, Choice, Span, choose
from merchantry.domain.report_schedule import PRODUCED_AT, ReportSchedule, last_span, next_due
from merchantry.services.report import FURTHER, NET, PERIOD, SETTLED, SHOWN

SCHEDULED = [schedule for schedule in ReportSchedule if schedule is not ReportSchedule.NONE]
ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York", "UTC")
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.sampled_from(SCHEDULED), st.sampled_from(ZONES))
def test_each_time_it_is_due_the_span_begins_where_the_one_before_ended(
    moment: datetime, schedule: ReportSchedule, name: str
) -> None:
    zone = ZoneInfo(name)
    due = next_due(schedule, moment, zone)
    then = next_due(schedule, due, zone)
    assert moment < due < then
    first, second = last_span(schedule, due, zone), last_span(schedule, then, zone)
    assert first.date_to == second.date_from
    assert first.instants(zone)[1] == second.instants(zone)[0] <= then
    assert first.instants(zone)[1] <= due


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 23), ("2026-10-24", 25), ("2026-06-01", 24)])
def test_a_daily_report_is_due_at_the_same_time_of_day_when_the_clocks_change(day: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    due = next_due(ReportSchedule.DAILY, datetime.combine(date.fromisoformat(day), PRODUCED_AT, zone) - _MOMENT, zone)
    then = next_due(ReportSchedule.DAILY, due, zone)
    assert then - due == timedelta(hours=hours)
    assert {each.astimezone(zone).time() for each in (due, then)} == {PRODUCED_AT}
    starts_at, ends_at = last_span(ReportSchedule.DAILY, then + timedelta(days=1), zone).instants(zone)
    assert ends_at - starts_at == timedelta(hours=hours)


_MOMENT = timedelta(microseconds=1)


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_have_gone_on() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    starts_at, ends_at = Span(date(2018, 11, 4), date(2018, 11, 5)).instants(zone)
    assert starts_at.astimezone(zone).isoformat() == "2018-11-04T01:00:00-02:00"
    assert ends_at - starts_at == timedelta(hours=23)


def test_weeks_and_months_are_those_that_are_over() -> None:
    zone, at = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 2, 4, tzinfo=UTC)
    assert last_span(ReportSchedule.WEEKLY, at, zone) == Span(date(2026, 2, 23), date(2026, 3, 2))
    assert last_span(ReportSchedule.MONTHLY, at, zone) == Span(date(2026, 2, 1), date(2026, 3, 1))


@pytest.mark.parametrize("zone", ZONES)
def test_the_widest_span_is_one_of_instants(zone: str) -> None:
    starts_at, ends_at = Span(FIRST_DAY, LAST_DAY).instants(ZoneInfo(zone))
    assert starts_at < ends_at


def test_the_columns_of_the_two_older_reports_have_kept_their_names() -> None:
    commission = [column.name for column in FORMS[ReportKind.COMMISSION].columns if column.is_figure]
    assert commission == [*SHOWN, NET, *FURTHER]
    settlement = [column.name for column in FORMS[ReportKind.SETTLEMENT].columns]
    assert settlement[-len([*PERIOD, "currency", *SETTLED]) :] == [*PERIOD, "currency", *SETTLED]


@pytest.mark.parametrize("kind", ReportKind)
def test_every_kind_can_be_asked_for_as_it_is_and_kept_as_a_document(kind: ReportKind) -> None:
    choice = choose(kind)
    assert Choice.from_document(choice.document()) == choice
    names = [column.name for column in FORMS[kind].columns]
    assert len(set(names)) == len(names)
    assert all(column.name.endswith("_minor") is (column.type is ColumnType.MONEY) for column in FORMS[kind].columns)
    assert "merchant" in names
    assert "currency" in names


def test_kinds_of_entries_are_summed_in_columns_of_the_statements_report() -> None:
    names = {column.name for column in FORMS[ReportKind.STATEMENTS].columns}
    assert set(STATEMENT_KINDS.values()) | {"adjustments_minor"} <= names
    assert set(STATEMENT_KINDS) <= set(EntryKind)


def test_amounts_without_their_currency_are_refused() -> None:
    with pytest.raises(InvalidInput, match="choose the column currency"):
        choose(ReportKind.SALES, ["paid_minor"])
