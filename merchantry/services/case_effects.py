"""What follows from decisions, by the kind of case: the one list of it.

An effect runs after the vote that ended the case, in its transaction, holding the case. Whoever decides gives this list
to ``case_decision.decide``. What opens cases imports ``services.case`` only, so this module may import all of them.
"""

from types import MappingProxyType
from typing import Final

from merchantry.domain.case import CaseKind
from merchantry.services import (
    bank_line,
    debt,
    objection,
    payee_review,
    refund_approval,
    refund_sending,
    restoring,
)
from merchantry.services.case_decision import Effects

EFFECTS: Final[Effects] = MappingProxyType(
    {
        CaseKind.BANK_DIFFERENCE: bank_line.case_decided,
        CaseKind.PAYEE_CHANGE: payee_review.decided,
        CaseKind.STATEMENT_OBJECTION: objection.decided,
        CaseKind.REFUND_APPROVAL: refund_approval.decided,
        CaseKind.WRITE_OFF: debt.write_off_decided,
        CaseKind.REFUND_FAILED: refund_sending.failure_decided,
        CaseKind.RESTORE_GAP: restoring.decided,
    }
)
