from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.case import (
    CHAINS,
    LARGE_MINOR,
    CaseKind,
    CaseState,
    CaseStatus,
    Step,
    Vote,
    approvals_needed,
    decide,
    person,
)
from merchantry.domain.errors import CaseClosed, OwnAct, VotedAlready

PEOPLE = ["ann", "ben", "cid", "dee", "eve", "fay"]
votes = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(Vote)), max_size=15)
states = st.builds(
    CaseState,
    status=st.just(CaseStatus.OPEN),
    approvals_needed=st.integers(1, 4),
    parties=st.frozensets(st.sampled_from(PEOPLE), max_size=4),
)
amounts = st.integers(-(10**15), 10**15)


def an_open_case(*parties: str, needs: int = 1) -> CaseState:
    return CaseState(CaseStatus.OPEN, needs, frozenset(parties))


def after(state: CaseState, cast: Sequence[tuple[str, Vote]]) -> tuple[CaseState, list[tuple[str, Vote]]]:
    """What becomes of a case, and the votes that counted."""
    counted = []
    for by, vote in cast:
        try:
            state = decide(state, vote, by)
        except (CaseClosed, OwnAct, VotedAlready):
            continue
        counted.append((by, vote))
    return state, counted


@given(states, votes)
def test_no_order_of_votes_lets_a_party_decide_or_counts_anybody_twice(
    state: CaseState, cast: list[tuple[str, Vote]]
) -> None:
    _, counted = after(state, cast)
    voters = [by for by, _ in counted]
    assert state.parties.isdisjoint(voters)
    assert len(set(voters)) == len(voters)


@given(states, votes)
def test_a_case_is_approved_by_enough_different_people_and_ended_by_one_rejection(
    state: CaseState, cast: list[tuple[str, Vote]]
) -> None:
    ended, counted = after(state, cast)
    approvals = [by for by, vote in counted if vote is Vote.APPROVE]
    assert list(ended.approved_by) == approvals
    assert len(approvals) <= state.approvals_needed
    if ended.status is CaseStatus.REJECTED:
        assert [vote for _, vote in counted].index(Vote.REJECT) == len(counted) - 1
    else:
        assert len(approvals) == len(counted)
        assert (ended.status is CaseStatus.APPROVED) is (len(approvals) == state.approvals_needed)


@given(st.sampled_from([status for status in CaseStatus if status is not CaseStatus.OPEN]), st.sampled_from(Vote))
def test_nothing_is_decided_twice(status: CaseStatus, vote: Vote) -> None:
    with pytest.raises(CaseClosed) as refusal:
        decide(CaseState(status, 1, frozenset()), vote, "ann")
    assert refusal.value.status == status


@pytest.mark.parametrize("vote", Vote)
def test_who_opened_it_is_told_to_ask_somebody_else(vote: Vote) -> None:
    with pytest.raises(OwnAct, match="ask somebody else to decide"):
        decide(an_open_case("ann", "ben"), vote, "ben")


@pytest.mark.parametrize("vote", Vote)
def test_who_approved_may_not_vote_again(vote: Vote) -> None:
    once = decide(an_open_case(needs=2), Vote.APPROVE, "ann")
    assert once.status is CaseStatus.OPEN
    with pytest.raises(VotedAlready):
        decide(once, vote, "ann")
    assert decide(once, Vote.APPROVE, "ben").status is CaseStatus.APPROVED
    assert decide(once, Vote.REJECT, "ben").status is CaseStatus.REJECTED


@given(st.sampled_from(CaseKind), amounts, st.sampled_from([*LARGE_MINOR, "KWD"]))
def test_a_larger_amount_never_needs_fewer_people(kind: CaseKind, amount_minor: int, currency: str) -> None:
    needed = approvals_needed(kind, amount_minor, currency)
    assert 1 <= needed <= approvals_needed(kind, amount_minor * 2, currency)
    assert needed == approvals_needed(kind, -amount_minor, currency)


@pytest.mark.parametrize("kind", [CaseKind.REFUND_APPROVAL, CaseKind.PAYOUT_RELEASE])
@pytest.mark.parametrize(
    ("amount_minor", "currency", "needed"),
    [(1_000_000, "EUR", 1), (1_000_001, "EUR", 2), (-1_000_001, "EUR", 2), (1, "KWD", 2), (None, None, 2)],
    ids=["at the limit", "above it", "below zero", "a currency without a limit", "no amount"],
)
def test_money_that_leaves_needs_two_people_above_a_limit(
    kind: CaseKind, amount_minor: int | None, currency: str | None, needed: int
) -> None:
    assert approvals_needed(kind, amount_minor, currency) == needed


def test_a_write_off_always_needs_two_people_and_a_bank_difference_one() -> None:
    assert approvals_needed(CaseKind.WRITE_OFF, 1, "EUR") == 2
    assert approvals_needed(CaseKind.BANK_DIFFERENCE, 10**12, "EUR") == 1
    assert set(CHAINS) == set(CaseKind)


def test_another_chain_can_be_given() -> None:
    chain = (Step({"EUR": 100}, 2), Step({"EUR": 10_000}, 3))
    found = [approvals_needed(CaseKind.OTHER, amount, "EUR", chain) for amount in (100, 101, 10_000, 10_001)]
    assert found == [1, 2, 2, 3]


def test_one_account_is_one_person_whatever_it_acts_as() -> None:
    assert person("staff:7") == person("platform:7") == person("buyer:7")
    assert person("platform:7") != person("platform:8")
    assert person("system:7") == "system:7"
    assert person("buyer") == "buyer"


def test_a_case_that_nobody_must_approve_can_not_be() -> None:
    with pytest.raises(ValueError, match="at least one"):
        CaseState(CaseStatus.OPEN, 0, frozenset())
    with pytest.raises(ValueError, match="once"):
        CaseState(CaseStatus.OPEN, 2, frozenset(), ("ann", "ann"))
