"""The money of a checkout came in: every order of it is captured in its merchant's schema, merchants by id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam

from merchantry.domain.act import Act
from merchantry.domain.review import RuleSubject
from merchantry.services import order, review, review_case, split
from merchantry.services.checkout import Checkout
from merchantry.services.order import Order
from merchantry.services.review import UNKNOWN_BUYER, BuyerFacts
from merchantry.services.review_case import Reviewed
from merchantry.services.terms import TERMS, Terms, terms_from
from merchantry.tables.platform import buyer_order, merchant_profile
from tenancy.database import PlatformSession, Transaction

ORDERS = (
    TERMS.add_columns(buyer_order.c.order_id)
    .join(buyer_order, buyer_order.c.merchant_id == merchant_profile.c.merchant_id)
    .where(buyer_order.c.checkout_id == bindparam("checkout"))
    .order_by(buyer_order.c.merchant_id, buyer_order.c.order_id)
)
"""The orders of a checkout, each with the terms of its merchant."""


@dataclass(frozen=True, slots=True)
class Due:
    """An order that is to be captured, on which terms; its buyer as the review rules see them."""

    order_id: UUID
    terms: Terms
    buyer: BuyerFacts


async def due(session: PlatformSession, checkout_id: UUID, act: Act) -> list[Due]:
    """The orders of a checkout, in the order in which their merchants are locked. Raises PlanMissing."""
    rows = (await session.execute(ORDERS, {"checkout": checkout_id, "at": act.at})).all()
    terms = [terms_from(row, act.at) for row in rows]
    buyers = await _buyers_of(session, rows, terms)
    return [
        Due(row.order_id, each, buyers.get(row.order_id, UNKNOWN_BUYER)) for row, each in zip(rows, terms, strict=True)
    ]


async def _buyers_of(
    session: PlatformSession, rows: Sequence[Row[Any]], terms: Sequence[Terms]
) -> dict[UUID, BuyerFacts]:
    """What the review rules want to know of the buyer, by order; the same rules are in force for all of them."""
    merchants, orders = [row.merchant_id for row in rows], [row.order_id for row in rows]
    return await review.buyers_of(session, merchants, orders, terms[0].rules if terms else None)


async def all_of(
    tx: Transaction, held: Checkout, orders: Sequence[Due], act: Act, *, at_the_door: bool
) -> list[tuple[UUID, Order]]:
    """Capture them, and ask people where a rule says so. Returns each with its merchant."""
    done, reviewed = [], []
    for each in orders:
        merchant_id = each.terms.merchant_id
        async with tx.as_merchant(merchant_id) as session:
            if at_the_door:
                await order.collect_at_the_door(session, each.order_id)
            captured = await split.capture(session, each.order_id, each.terms, act, each.buyer)
        done.append((merchant_id, captured.order))
        reviewed.append(_reviewed(merchant_id, captured, held, act))
    await review_case.ask_people_of(tx, reviewed, act)
    return done


def _reviewed(merchant_id: UUID, captured: split.Captured, held: Checkout, act: Act) -> Reviewed:
    """An order as it was judged. Its buyer may be one of those who decide on cases."""
    found = captured.order
    return Reviewed(
        merchant_id=merchant_id,
        subject=RuleSubject.ORDER,
        subject_id=str(found.id),
        name=found.number,
        verdicts=captured.verdicts,
        currency=found.currency,
        amount_minor=found.total_minor,
        parties=[f"buyer:{held.buyer_id}", act.actor],
    )
