"""What may be asked of a chain of approvals that people set, and how it is kept."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from merchantry.domain.case import CaseKind, Chain, Step
from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded

MOST_STEPS: Final = 10
MOST_APPROVALS: Final = 5

LEAST: Final[Mapping[CaseKind, int]] = MappingProxyType({CaseKind.WRITE_OFF: 2})
"""How many must agree to any amount, whatever is set; one for the other kinds."""


def check_chain(kind: CaseKind, chain: Chain) -> None:
    """Raises InvalidInput for no steps or too many, for approvals out of range, and for fewer than a kind's least."""
    if not 1 <= len(chain) <= MOST_STEPS:
        raise InvalidInput(reason=Worded("Give 1 to {most} steps.", most=MOST_STEPS), path=("steps",))
    for position, step in enumerate(chain):
        if not 1 <= step.approvals <= MOST_APPROVALS:
            reason = Worded("A step asks for 1 to {most} people.", most=MOST_APPROVALS)
            raise InvalidInput(reason=reason, path=("steps", position, "approvals"))
        if step.above_minor is not None and min(step.above_minor.values(), default=0) < 0:
            reason = Worded("The amount above which a step holds is not negative.")
            raise InvalidInput(reason=reason, path=("steps", position, "above"))
    least = LEAST.get(kind, 1)
    if max((step.approvals for step in chain if step.above_minor is None), default=0) < least:
        reason = Worded(
            "Begin with a step for every amount, of {least} or more: {kind} is never a matter for fewer.",
            least=least,
            kind=kind,
        )
        raise InvalidInput(reason=reason, path=("steps",))


def chain_document(chain: Chain) -> list[dict[str, Any]]:
    """As JSON; `parse_chain` reads it again."""
    return [
        {"above_minor": None if step.above_minor is None else dict(step.above_minor), "approvals": step.approvals}
        for step in chain
    ]


def parse_chain(document: Sequence[Mapping[str, Any]]) -> Chain:
    """What `chain_document` wrote."""
    return tuple(Step(step["above_minor"], step["approvals"]) for step in document)
