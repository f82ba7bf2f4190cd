"""Refunds above what somebody may give alone, and those that a review rule holds: they wait for other people.

Such a refund is a case of the kind REFUND_APPROVAL, and nothing else until that is approved.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.money import format_minor
from merchantry.domain.permission import Role
from merchantry.domain.refund import Asked, RefundKind
from merchantry.domain.refund_limit import is_within, limit_minor
from merchantry.domain.review import Outcome, Verdict, due_at, odd, worst
from merchantry.services import case, refund, review_case
from merchantry.services.case import Case, Fact, NewCase
from merchantry.services.refund import NewRefund, Planned
from tenancy.database import Transaction

REQUEST = "request"
"""The piece of evidence that holds what was asked for, as JSON."""


async def create(tx: Transaction, merchant_id: UUID, new: NewRefund, roles: Collection[Role], act: Act) -> bool:
    """Refund at once where one of the roles may; False where other people are asked first, by a case of the refund's
    id. Raises as `refund.create`."""
    held, ground = await refund.prepare(tx, merchant_id, new.order_id, act)
    async with tx.as_merchant(merchant_id) as session:
        planned = await refund.plan(session, new, ground, act)
        limit = limit_minor(roles, planned.found.currency)
        verdicts = await refund.judged(session, planned, act)
        is_alone = is_within(limit, planned.found.refunded_minor, planned.amount_minor)
        if not is_alone or worst(verdicts) is Outcome.HOLD:
            new_case = _case(merchant_id, planned, verdicts, act)
            await review_case.remind(session, new_case, await case.open_case(session, new_case, act))
            return False
        back = await refund.book(session, planned, held, act)
    await refund.count(tx, held, back)
    await refund.ask_people(tx, merchant_id, planned, verdicts, act)
    return True


async def decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """An approved refund is made as it was asked for. Raises what `refund.create` does where that is too late."""
    if decision.status is CaseStatus.APPROVED:
        request = next(fact.value for fact in found.evidence if fact.name == REQUEST)
        await refund.create(tx, found.merchant_id, _read(json.loads(request)), act, is_approved=True)


def _case(merchant_id: UUID, planned: Planned, verdicts: Sequence[Verdict], act: Act) -> NewCase:
    """The merchant reads it, so it says which rules want it looked at, and not what they saw."""
    new, found = planned.new, planned.found
    before = f"{format_minor(found.refunded_minor, found.currency)} {found.currency}"
    return NewCase(
        kind=CaseKind.REFUND_APPROVAL,
        merchant_id=merchant_id,
        subject_kind="RefundRequest",
        subject_id=str(new.id),
        title=f"A refund of the order {found.number} waits for other people.",
        evidence=[
            Fact("order", str(found.id), "Order"),
            Fact("reason", new.reason),
            Fact("refunded before", before),
            *(Fact("review rule", verdict.title) for verdict in odd(verdicts)),
            Fact(REQUEST, json.dumps(_document(new), sort_keys=True)),
        ],
        currency=found.currency,
        amount_minor=planned.amount_minor,
        due_at=due_at(verdicts, act.booked_at) if odd(verdicts) else None,
        id=new.id,
    )


def _document(new: NewRefund) -> dict[str, Any]:
    asked = new.asked
    return {
        "id": str(new.id),
        "order": str(new.order_id),
        "reason": new.reason,
        "kind": new.kind,
        "restock": new.restock,
        "tenders": list(new.tenders),
        "return": str(new.return_id) if new.return_id else None,
        "asked": asked
        and {
            "quantities": {str(line_id): quantity for line_id, quantity in asked.quantities.items()},
            "shipping_minor": asked.shipping_minor,
            "goodwill_minor": asked.goodwill_minor,
            "are_back": asked.are_back,
        },
    }


def _read(document: dict[str, Any]) -> NewRefund:
    asked = document["asked"]
    if asked is not None:
        quantities = {UUID(line_id): quantity for line_id, quantity in asked["quantities"].items()}
        asked = Asked(**{**asked, "quantities": quantities})
    return NewRefund(
        order_id=UUID(document["order"]),
        reason=document["reason"],
        asked=asked,
        kind=RefundKind(document["kind"]),
        restock=document["restock"],
        tenders=tuple(document["tenders"]),
        return_id=UUID(document["return"]) if document["return"] else None,
        id=UUID(document["id"]),
    )
