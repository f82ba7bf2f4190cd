"""Review rules: what looks wrong in an act, decided from plain figures. Pure; `review_document` reads rules from JSON.

A rule is about one subject. It passes, or it has the outcome that it names: FLAG asks people to look, HOLD stops the
money too. Every verdict is kept, passes as well, with the version of the rules that gave it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from merchantry.domain.canonical import Json


class RuleSubject(StrEnum):
    """What a rule is about. SPLIT and PRICE are judged with the order whose they are."""

    ORDER = "order"
    SPLIT = "split"
    PRICE = "price"
    REFUND = "refund"
    PAYOUT = "payout"
    PAYEE = "payee"


OF_ORDER: Final = frozenset({RuleSubject.ORDER, RuleSubject.SPLIT, RuleSubject.PRICE})
"""What is judged when an order is captured."""


class RuleKind(StrEnum):
    """What a rule looks for."""

    AMOUNT = "amount"
    VELOCITY = "velocity"
    REFUND_RATIO = "refund_ratio"
    NEW_PAYEE = "new_payee"
    COMMISSION_FAR_FROM_PLAN = "commission_far_from_plan"
    PRICE_FAR_FROM_HISTORY = "price_far_from_history"
    BUYER_IS_STAFF = "buyer_is_staff"
    SUMS_DIFFER = "sums_differ"


class Outcome(StrEnum):
    """What becomes of an act, the worst last."""

    PASS = "pass"
    FLAG = "flag"
    HOLD = "hold"


class ReviewStatus(StrEnum):
    """Where an order that a rule stopped stands. REFUSED: held until it is refunded, or two people clear it."""

    HELD = "held"
    CLEARED = "cleared"
    REFUSED = "refused"


KEPT_BACK: Final = frozenset({ReviewStatus.HELD, ReviewStatus.REFUSED})
"""The merchant's part of such an order is not paid out."""


class Counted(StrEnum):
    """Whose acts a velocity rule counts."""

    BUYER = "buyer"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a kind of rule needs; each kind uses its own of them (`review_document.FORMS`).

    Amounts are in minor units by currency; a rule says nothing about a currency that it does not name.
    """

    above_minor: Mapping[str, int] = field(default_factory=dict)
    least_minor: Mapping[str, int] = field(default_factory=dict)
    above_bps: int = 0
    more_than: int = 0
    least_sales: int = 0
    hours: int = 0
    days: int = 0
    of: Counted = Counted.MERCHANT


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `merchants` are slugs; where neither those nor `merchant_categories` are named it is for everybody.

    `sla_hours` is how long people have to look at what it stopped.
    """

    name: str
    title: str
    subject: RuleSubject
    kind: RuleKind
    outcome: Outcome
    sla_hours: int
    parameters: Parameters = field(default_factory=Parameters)
    merchants: tuple[str, ...] = ()
    merchant_categories: tuple[str, ...] = ()

    def is_for(self, slug: str, category: str) -> bool:
        """Whether the rule is for this merchant."""
        is_everybodys = not (self.merchants or self.merchant_categories)
        return is_everybodys or slug in self.merchants or category in self.merchant_categories


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules that hold together, in the order in which they are written."""

    name: str
    rules: tuple[Rule, ...]

    def about(self, subjects: Collection[RuleSubject], slug: str, category: str) -> tuple[Rule, ...]:
        """Those about any of these subjects that are for this merchant."""
        return tuple(rule for rule in self.rules if rule.subject in subjects and rule.is_for(slug, category))


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """An approved version of the rules."""

    version: int
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class PriceSeen:
    """A price, and what the same article was sold for before: the sum of so many earlier prices."""

    sku: str
    unit_price_minor: int
    known: int
    known_sum_minor: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules judge by: figures, and nothing that tells who anybody is.

    `counts` are acts within so many hours up to this one, itself among them. `difference_minor` is what sums differ by.
    `at_rate_minor` is the base times the rate of the plan's rule, `commission_minor` what is charged. `given_back` are
    refunds (this one among them) and sales within so many days. `payee_age` is that of the account in use, None for
    the first that there ever was.
    """

    currency: str
    amount_minor: int
    counts: Mapping[tuple[Counted, int], int] = field(default_factory=dict)
    buyer_is_staff: bool = False
    difference_minor: int = 0
    base_minor: int = 0
    commission_minor: int = 0
    at_rate_minor: int = 0
    prices: tuple[PriceSeen, ...] = ()
    given_back: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    payee_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule made of an act. `figures` are those it decided by, `reason` says them to the platform's people."""

    rule: str
    title: str
    subject: RuleSubject
    version: int
    outcome: Outcome
    reason: str
    figures: Mapping[str, Json]
    sla_hours: int


ORDER_OF_OUTCOMES: Final[Mapping[Outcome, int]] = MappingProxyType(
    {outcome: position for position, outcome in enumerate(Outcome)}
)


def worst(verdicts: Sequence[Verdict]) -> Outcome:
    """The outcome of an act: the worst that any rule gave; PASS where there is none."""
    return max((each.outcome for each in verdicts), key=ORDER_OF_OUTCOMES.__getitem__, default=Outcome.PASS)


def odd(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Those that people must look at."""
    return tuple(each for each in verdicts if each.outcome is not Outcome.PASS)


def due_at(verdicts: Sequence[Verdict], at: datetime) -> datetime:
    """When people must have decided: the shortest time that a rule which did not pass gives. `verdicts` has one."""
    return at + timedelta(hours=min(each.sla_hours for each in odd(verdicts)))


def hours_counted(rules: Sequence[Rule], of: Counted) -> list[int]:
    """The windows that velocity rules count in, in hours, each once."""
    return sorted(
        {rule.parameters.hours for rule in rules if rule.kind is RuleKind.VELOCITY and rule.parameters.of is of}
    )


def days_counted(rules: Sequence[Rule]) -> list[int]:
    """The windows that refund ratios are reckoned over, in days, each once."""
    return sorted({rule.parameters.days for rule in rules if rule.kind is RuleKind.REFUND_RATIO})


def looks_for(rules: Sequence[Rule], kind: RuleKind) -> bool:
    """Whether any of the rules is of a kind, so that its figures are needed."""
    return any(rule.kind is kind for rule in rules)
