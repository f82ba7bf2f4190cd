import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.payout import OPEN, Booking, PayoutStatus, TransferState, Word, cut, hear, status_of

words = st.lists(st.sampled_from(Word), max_size=12)


@given(words)
def test_whatever_is_heard_money_is_booked_as_paid_once_and_returned_once_at_most_and_in_that_order(
    heard: list[Word],
) -> None:
    state, booked = TransferState.ASKED, list[Booking]()
    for word in heard:
        answer = hear(state, word)
        state = answer.state
        booked += answer.bookings
    assert booked in ([], [Booking.PAID], [Booking.PAID, Booking.RETURNED])
    assert (Booking.PAID in booked) == (state in (TransferState.PAID, TransferState.RETURNED))
    assert (Booking.RETURNED in booked) == (state is TransferState.RETURNED)


@given(words, st.sampled_from(Word))
def test_hearing_the_same_word_again_changes_nothing(heard: list[Word], word: Word) -> None:
    state = TransferState.ASKED
    for each in [*heard, word]:
        state = hear(state, each).state
    again = hear(state, word)
    assert (again.state, again.bookings) == (state, ())


def test_no_answer_is_unknown_and_an_accepted_transfer_stays_accepted() -> None:
    assert hear(TransferState.ASKED, Word.NOTHING).state is TransferState.UNKNOWN
    assert hear(TransferState.ACCEPTED, Word.NOTHING).state is TransferState.ACCEPTED


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (TransferState.REJECTED, Word.PAID),
        (TransferState.PAID, Word.REJECTED),
        (TransferState.RETURNED, Word.REJECTED),
    ],
)
def test_a_word_against_a_definite_one_changes_nothing_and_is_told(state: TransferState, word: Word) -> None:
    heard = hear(state, word)
    assert (heard.state, heard.bookings, heard.contradicts) == (state, (), True)


@given(st.lists(st.sampled_from(TransferState), min_size=1))
def test_a_payout_is_paid_when_every_transfer_is_and_unknown_when_one_is(states: list[TransferState]) -> None:
    status = status_of(states)
    assert (status is PayoutStatus.PAID) == (set(states) == {TransferState.PAID})
    assert (status is PayoutStatus.UNKNOWN) == (TransferState.UNKNOWN in states)
    if status in (PayoutStatus.FAILED, PayoutStatus.PAID, PayoutStatus.RETURNED):
        assert not set(states) & (OPEN - {TransferState.ACCEPTED})


@given(st.integers(1, 10**9), st.one_of(st.none(), st.integers(1, 10**8)))
def test_transfers_sum_to_their_payout_and_keep_the_limit(amount_minor: int, limit_minor: int | None) -> None:
    if limit_minor and amount_minor // limit_minor > 10_000:
        return
    amounts = cut(amount_minor, limit_minor)
    assert sum(amounts) == amount_minor
    assert min(amounts) > 0
    assert limit_minor is None or max(amounts) <= limit_minor
