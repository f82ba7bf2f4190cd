"""What follows from decisions, by the kind of case: the one list of it.

An effect runs after the vote that ended the case, in its transaction, holding the case. Whoever decides gives this list
to ``case_decision.decide``. What opens cases imports ``services.case`` only, so this module may import all of them.
"""

from types import MappingProxyType
from typing import Final

from merchantry.domain.case import CaseKind
from merchantry.services import (
    bank_line,
    chargeback_case,
    debt,
    give_back_case,
    objection,
    payee_review,
    payout_outcome,
    refund_approval,
    refund_sending,
    restoring,
    review_case,
)
from merchantry.services.case_decision import Effects

EFFECTS: Final[Effects] = MappingProxyType(
    {
        CaseKind.BANK_DIFFERENCE: bank_line.case_decided,
        CaseKind.CHARGEBACK: chargeback_case.decided,
        CaseKind.PAYEE_CHANGE: payee_review.decided,
        CaseKind.STATEMENT_OBJECTION: objection.decided,
        CaseKind.REFUND_APPROVAL: refund_approval.decided,
        CaseKind.WRITE_OFF: debt.write_off_decided,
        CaseKind.PAYOUT_FAILED: payout_outcome.failure_decided,
        CaseKind.PAYOUT_UNKNOWN: payout_outcome.unknown_decided,
        CaseKind.REFUND_FAILED: refund_sending.failure_decided,
        CaseKind.REFUND_UNKNOWN: refund_sending.unknown_decided,
        CaseKind.GIVE_BACK_FAILED: give_back_case.decided,
        CaseKind.REVIEW: review_case.decided,
        CaseKind.RESTORE_GAP: restoring.decided,
    }
)
