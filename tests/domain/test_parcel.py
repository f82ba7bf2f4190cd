"""Timelines of parcels: whatever comes in whatever order."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.parcel import MOST_UPDATES, ParcelStatus, Timeline, Update, carrier_key, number_key

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UPDATES = st.builds(
    Update,
    st.sampled_from(ParcelStatus),
    st.integers(0, 500).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    st.sampled_from([None, "Recife", "São Paulo"]),
    st.sampled_from([None, date(2026, 3, 5), date(2026, 3, 6)]),
)


def told(*updates: Update) -> Timeline:
    found = Timeline()
    for each in updates:
        found = found.with_update(each)
    return found


def at(status: ParcelStatus, hours: int, expected_on: date | None = None) -> Update:
    return Update(status, NOON + timedelta(hours=hours), None, expected_on)


@given(st.lists(UPDATES, max_size=70))
def test_a_timeline_is_sorted_bounded_and_the_same_after_it_was_stored(updates: list[Update]) -> None:
    found = told(*updates)
    assert list(found.updates) == sorted(found.updates, key=lambda each: each.at)
    assert len(found.updates) <= MOST_UPDATES
    assert Timeline.of([each.document() for each in found.updates]) == found
    assert told(*updates, *found.updates) == found


@given(st.lists(UPDATES, max_size=60), st.data())
def test_what_is_told_in_another_order_says_the_same(updates: list[Update], data: st.DataObject) -> None:
    unique = list({each.at: each for each in updates}.values())[:MOST_UPDATES]
    assert told(*data.draw(st.permutations(unique))) == told(*unique)


@given(st.lists(UPDATES.filter(lambda each: each.status not in ("delivered", "returned")), max_size=120))
def test_nothing_undoes_a_delivery_but_a_return_after_it(updates: list[Update]) -> None:
    delivered = Update(ParcelStatus.DELIVERED, NOON)
    assert told(delivered, *updates).status is ParcelStatus.DELIVERED
    returned = at(ParcelStatus.RETURNED, 1000)
    assert told(delivered, *updates, returned).status is ParcelStatus.RETURNED
    assert told(returned, *updates, delivered).status is ParcelStatus.RETURNED


def test_the_expected_day_is_that_of_the_latest_update_that_says_one() -> None:
    first, second = date(2026, 3, 5), date(2026, 3, 6)
    later = at(ParcelStatus.IN_TRANSIT, 2, second)
    assert told(later, at(ParcelStatus.PICKED_UP, 1, first), at(ParcelStatus.EXCEPTION, 3)).expected_on == second
    assert told().expected_on is None
    assert told().status is None


def test_what_people_write_differently_is_one_carrier_and_one_number() -> None:
    assert {carrier_key(each) for each in ("DHL Express", " dhl  express ", "Dhl-Express")} == {"dhl-express"}
    assert {number_key(each) for each in ("1z 999-aa", "1Z999AA", " 1Z-999AA\n")} == {"1Z999AA"}


def test_a_timeline_out_of_order_is_none() -> None:
    with pytest.raises(ValueError, match="in the order"):
        Timeline((at(ParcelStatus.IN_TRANSIT, 2), at(ParcelStatus.PICKED_UP, 1)))
