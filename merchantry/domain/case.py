"""Review cases: what waits for people, how many of them must agree, and who of them may not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from merchantry.domain.errors import CaseClosed, InvalidInput, OwnAct, VotedAlready
from merchantry.domain.money import format_minor
from merchantry.domain.worded import Worded

PEOPLE: Final = frozenset({"buyer", "staff", "platform"})
"""What somebody with an account acts as; the same account may be several of them."""


class CaseKind(StrEnum):
    """Why something waits for people."""

    STATEMENT_OBJECTION = "statement_objection"
    PAYOUT_UNKNOWN = "payout_unknown"
    PAYOUT_FAILED = "payout_failed"
    PAYOUT_RETURNED = "payout_returned"
    PAYOUT_RELEASE = "payout_release"
    PAYEE_CHANGE = "payee_change"
    BANK_DIFFERENCE = "bank_difference"
    REFUND_APPROVAL = "refund_approval"
    REFUND_FAILED = "refund_failed"
    REFUND_UNKNOWN = "refund_unknown"
    CHARGEBACK = "chargeback"
    WRITE_OFF = "write_off"
    SETTLEMENT_MISSED = "settlement_missed"
    REVIEW = "review"
    RESTORE_GAP = "restore_gap"
    LAW_BROKEN = "law_broken"
    OTHER = "other"


class CaseStatus(StrEnum):
    """Where a case stands. SETTLED: what it was about has come to its end without a vote, as its reason says."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SETTLED = "settled"


class Vote(StrEnum):
    """What one person makes of a case."""

    APPROVE = "approve"
    REJECT = "reject"


_K = CaseKind

ITS_OWN: Final = ("staff:", "machine:")
"""How actors begin who act for the merchant."""

SHOWN_TO_MERCHANTS: Final = frozenset(
    {
        _K.STATEMENT_OBJECTION,
        _K.PAYOUT_UNKNOWN,
        _K.PAYOUT_FAILED,
        _K.PAYOUT_RETURNED,
        _K.PAYOUT_RELEASE,
        _K.PAYEE_CHANGE,
        _K.REFUND_APPROVAL,
        _K.REFUND_FAILED,
        _K.REFUND_UNKNOWN,
        _K.CHARGEBACK,
    }
)
"""Kinds of which the merchant they are about is told. The others are the platform's own affair, whoever they are
about, unless the merchant's own staff opened them."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many people must agree to amounts above these, in minor units by currency; None: to every amount.

    What is not known is taken to be above: a currency that is not named, and an amount that nobody gave.
    """

    above_minor: Mapping[str, int] | None
    approvals: int

    def holds_for(self, amount_minor: int | None, currency: str | None) -> bool:
        """Whether an amount, of either sign, is above the step."""
        if self.above_minor is None or amount_minor is None or currency is None:
            return True
        limit = self.above_minor.get(currency)
        return limit is None or abs(amount_minor) > limit


Chain = tuple[Step, ...]

LARGE_MINOR: Final[Mapping[str, int]] = MappingProxyType(
    {
        "BRL": 5_000_000,
        "CNY": 7_000_000,
        "EUR": 1_000_000,
        "GBP": 1_000_000,
        "JPY": 1_500_000,
        "USD": 1_000_000,
    }
)
"""Above it, money that leaves is a matter for two people, in minor units by currency."""

ONE: Final[Chain] = (Step(None, 1),)
TWO: Final[Chain] = (Step(None, 2),)
TWO_ABOVE_LARGE: Final[Chain] = (Step(None, 1), Step(LARGE_MINOR, 2))

CHAINS: Final[Mapping[CaseKind, Chain]] = MappingProxyType(
    {
        **dict.fromkeys(CaseKind, ONE),
        _K.WRITE_OFF: TWO,
        _K.RESTORE_GAP: TWO,
        _K.REFUND_APPROVAL: TWO_ABOVE_LARGE,
        _K.PAYOUT_RELEASE: TWO_ABOVE_LARGE,
    }
)


IN_PART: Final = frozenset({_K.STATEMENT_OBJECTION})
"""Kinds of which a part of the amount can be approved; the rest is declined."""


def approvals_needed(kind: CaseKind, amount_minor: int | None, currency: str | None, chain: Chain | None = None) -> int:
    """How many different people must agree: the most that a step asks for, by the kind's own chain or another; ≥ 1."""
    steps = CHAINS[kind] if chain is None else chain
    return max([1, *(step.approvals for step in steps if step.holds_for(amount_minor, currency))])


def person(actor: str) -> str:
    """Who an actor is, whatever they act as: staff of a merchant and of the platform can be one and the same."""
    role, _, account = actor.partition(":")
    return account if account and role in PEOPLE else actor


@dataclass(frozen=True, slots=True)
class CaseState:
    """What the rules need to know. ``parties`` opened or caused it; they and ``approved_by`` name persons."""

    status: CaseStatus
    approvals_needed: int
    parties: frozenset[str]
    approved_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.approvals_needed < 1 or len(set(self.approved_by)) < len(self.approved_by):
            raise ValueError("A case needs at least one approval, and counts each person once")


@dataclass(frozen=True, slots=True)
class Decision:
    """How a case ended. ``by`` is the actor whose vote ended it, ``reason`` theirs.

    ``granted_minor`` is what of the case's amount was approved, in minor units of its currency; None where the case has
    no amount, or was rejected.
    """

    status: CaseStatus
    reason: str
    by: str
    granted_minor: int | None = None


def decide(state: CaseState, vote: Vote, by: str) -> CaseState:
    """One person's vote: a single rejection ends the case, approvals gather until there are enough.

    Raises CaseClosed, OwnAct for a party to it, VotedAlready for somebody who approved before.
    """
    refuse_unless_open(state.status)
    if by in state.parties:
        raise OwnAct
    if by in state.approved_by:
        raise VotedAlready
    if vote is Vote.REJECT:
        return replace(state, status=CaseStatus.REJECTED)
    approved_by = (*state.approved_by, by)
    is_enough = len(approved_by) >= state.approvals_needed
    return replace(state, status=CaseStatus.APPROVED if is_enough else CaseStatus.OPEN, approved_by=approved_by)


def granted(
    kind: CaseKind, vote: Vote, amount_minor: int | None, currency: str | None, part: tuple[int, str] | None
) -> int | None:
    """What an approval grants of a case's amount, in minor units: all of it, or the part that is named.

    Raises InvalidInput where a part makes no sense: for a rejection, a kind of which no part can be approved, another
    currency, nothing, and more than was asked for.
    """
    if part is None:
        return amount_minor if vote is Vote.APPROVE else None
    part_minor, part_currency = part
    if vote is Vote.REJECT or kind not in IN_PART:
        raise InvalidInput(reason="Only an objection can be approved in part; leave the amount out.", path=("amount",))
    if amount_minor is None or part_currency != currency:
        raise InvalidInput(
            reason=Worded("The case is about {currency}.", currency=currency)
            if currency
            else Worded("The case is about no amount."),
            path=("amount", "currency"),
        )
    if not 0 < part_minor <= amount_minor:
        asked = f"{format_minor(amount_minor, part_currency)} {part_currency}"
        raise InvalidInput(
            reason=Worded("Approve more than nothing and at most {asked}, or reject.", asked=asked), path=("amount",)
        )
    return part_minor


def refuse_unless_open(status: CaseStatus) -> None:
    """What is decided or withdrawn stays so. Raises CaseClosed."""
    if status is not CaseStatus.OPEN:
        raise CaseClosed(status=status)
