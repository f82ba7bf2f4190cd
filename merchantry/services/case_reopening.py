"""A rejected review is looked at once more: what it refused stays as it is until two people agree that it was wrong."""

from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus
from merchantry.domain.errors import InvalidInput
from merchantry.domain.payout import PayoutStatus
from merchantry.domain.review import KEPT_BACK
from merchantry.domain.worded import Worded
from merchantry.services import case_list, order, payout
from merchantry.services.case import Case, CaseAct, event, held, key_of, trail
from merchantry.tables.case import review_case
from tenancy.database import MerchantSession, Transaction
from tenancy.writes import Changed, write

PEOPLE = 2
"""How many must agree, at least, after one has rejected."""


async def reopen(tx: Transaction, merchant_id: UUID, case_id: UUID, reason: str, act: Act) -> None:
    """The case is open again, and votes of before count no more. Whoever reopens it may be one of those who decide.

    Raises NotFound, and InvalidInput for a case that is no rejected REVIEW, and where nothing is held by it any more.
    """
    async with tx.as_platform() as session:
        case = await held(session, merchant_id, case_id)
        about = (case.merchant_id, case.kind, case.subject_kind, case.subject_id)
        if case.kind is not CaseKind.REVIEW or case.status is not CaseStatus.REJECTED:
            _refuse("Only a review that was rejected is opened again.")
        if await case_list.open_about(session, *about) is not None:
            _refuse("The same is under review already; decide that case.")
    async with tx.as_merchant(merchant_id) as merchant_session:
        if not await _still_holds(merchant_session, case):
            _refuse("Nothing is held by this review any more.")
    async with tx.as_platform() as session:
        needed = max(case.approvals_needed, PEOPLE)
        fresh = {"status": CaseStatus.OPEN, "decision": None, "reason": None, "decided_at": None}
        did = CaseAct.REOPEN
        after = {"status": CaseStatus.OPEN, "reason": reason, "approvals_needed": needed}
        await write(
            session,
            Changed(review_case, key_of(case), {**fresh, "approvals_needed": needed}),
            event(case, did, act, reason, {}),
            trail(session, case, did, act, after, {"status": case.status, "reason": case.reason}),
        )


async def _still_holds(session: MerchantSession, case: Case) -> bool:
    subject_id = UUID(case.subject_id.split(" ")[0])
    if case.subject_kind == "Order":
        return (await order.load(session, subject_id)).review_status in KEPT_BACK
    if case.subject_kind == "Payout":
        return (await payout.find(session, subject_id)).status is PayoutStatus.PLANNED
    return False


def _refuse(template: str) -> None:
    raise InvalidInput(reason=Worded(template), path=("case_id",))
