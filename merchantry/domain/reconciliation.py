"""What may become of a line of a bank's or a provider's statement."""

from enum import StrEnum


class LineStatus(StrEnum):
    """Where a line stands. DISMISSED lines are none of ours, or were settled with the bank otherwise."""

    UNMATCHED = "unmatched"
    MATCHED = "matched"
    RETURNED = "returned"
    DISMISSED = "dismissed"


class MatchedBy(StrEnum):
    """What a line and a transfer had in common; PERSON: somebody knows that they belong together."""

    REFERENCE = "reference"
    PROVIDER_REFERENCE = "provider_reference"
    AMOUNT_AND_DATE = "amount_and_date"
    PERSON = "person"
