"""What rules would have made of acts of the past: counted by rule and outcome, with examples. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from merchantry.domain.review import Outcome, Rule, Verdict

EXAMPLES: Final = 5
"""How many acts are named for each rule, of those that it would not have let pass."""


@dataclass(frozen=True, slots=True)
class Example:
    """An act that a rule would have flagged or held; ids as the verdict's row would have had them."""

    merchant: str
    merchant_id: UUID
    trail_id: UUID
    subject_id: UUID
    at: datetime
    outcome: Outcome
    reason: str


@dataclass
class Tally:
    """One rule over all acts that it is about."""

    rule: Rule
    counts: Counter[Outcome] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


@dataclass
class Trial:
    """A rule set that is tried."""

    tallies: dict[str, Tally]

    @staticmethod
    def of(rules: Sequence[Rule]) -> "Trial":
        """Nothing is judged yet."""
        return Trial({rule.name: Tally(rule) for rule in rules})

    def add(
        self, verdicts: Iterable[Verdict], merchant: tuple[UUID, str], trail_id: UUID, subject_id: UUID, at: datetime
    ) -> None:
        """What the rules make of one act; ``merchant`` is its id and slug."""
        merchant_id, slug = merchant
        for each in verdicts:
            tally = self.tallies[each.rule]
            tally.counts[each.outcome] += 1
            if each.outcome is not Outcome.PASS and len(tally.examples) < EXAMPLES:
                about = (slug, merchant_id, trail_id, subject_id, at)
                tally.examples.append(Example(*about, each.outcome, each.reason))
