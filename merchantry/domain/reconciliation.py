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


class Borne(StrEnum):
    """Who bears it that a bank moved another amount than it was asked to.

    MERCHANT: it got so much less or more, and its balance is put right. PLATFORM: the merchant got what was due, and
    the rest is between the platform and its bank.
    """

    MERCHANT = "merchant"
    PLATFORM = "platform"


def taken_too_much(asked_minor: int, line_minor: int, *, is_return: bool) -> int:
    """How much more a line took from the platform's account than its transfer says; negative where it took less.

    ``asked_minor`` is the transfer's amount, ``line_minor`` the line's, credit positive: of a return it says how much
    of the transfer did not come back.
    """
    return (asked_minor if is_return else -asked_minor) - line_minor
