"""What somebody must be allowed to do to decide a case: to decide cases, and what follows from this kind's decision."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from merchantry.domain.case import CaseKind
from merchantry.domain.permission import Permission

_K, _P = CaseKind, Permission

DECIDED_WITH: Final[Mapping[CaseKind, Permission]] = MappingProxyType(
    {
        **dict.fromkeys(CaseKind, _P.PLATFORM_CASE_DECIDE),
        _K.STATEMENT_OBJECTION: _P.PLATFORM_SETTLEMENT_WRITE,
        _K.PAYOUT_UNKNOWN: _P.PLATFORM_PAYOUT_WRITE,
        _K.PAYOUT_FAILED: _P.PLATFORM_PAYOUT_WRITE,
        _K.PAYOUT_RETURNED: _P.PLATFORM_PAYOUT_WRITE,
        _K.PAYOUT_RELEASE: _P.PLATFORM_PAYOUT_RELEASE,
        _K.PAYEE_CHANGE: _P.PLATFORM_PAYEE_VERIFY,
        _K.BANK_DIFFERENCE: _P.PLATFORM_RECONCILIATION_WRITE,
        _K.REFUND_APPROVAL: _P.PLATFORM_REFUND_WRITE,
        _K.REFUND_FAILED: _P.PLATFORM_REFUND_WRITE,
        _K.REFUND_UNKNOWN: _P.PLATFORM_REFUND_WRITE,
        _K.GIVE_BACK_FAILED: _P.PLATFORM_REFUND_WRITE,
        _K.CHARGEBACK: _P.PLATFORM_CHARGEBACK_WRITE,
        _K.WRITE_OFF: _P.PLATFORM_DEBT_WRITE,
        _K.SETTLEMENT_MISSED: _P.PLATFORM_SETTLEMENT_RUN,
    }
)
"""Beside `platform.case.decide`, by kind: what a mutation of its own asks for that has the same effect."""


def markdown() -> str:
    """The permissions as a Markdown table."""
    rows = [
        f"| `{kind.name}` | {'' if needed is _P.PLATFORM_CASE_DECIDE else f'`{needed}`'} |"
        for kind, needed in DECIDED_WITH.items()
    ]
    return "\n".join(["| kind of case | and |", "| --- | --- |", *rows]) + "\n"
