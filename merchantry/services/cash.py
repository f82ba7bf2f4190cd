"""Cash on delivery: the merchant takes the buyer's money at the door, and no provider is asked.

The orders are captured at once, so that they can be shipped. What the merchant then owes the platform of them is a
receivable, and is netted against what is due to the merchant once each order's hold is over.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.errors import CashNotAccepted, InvalidInput
from merchantry.gateways.payment import ChargeStatus, Outcome, Tender
from merchantry.services import audit, payable, payment
from merchantry.services.payable import Offer
from merchantry.services.payment import Payment
from merchantry.tables.platform import NOBODY, buyer_order, merchant_profile
from tenancy.database import PlatformSession, Transaction

METHOD = "cash_on_delivery"
"""The method of a tender that the merchants of a checkout collect."""


def is_asked(tenders: Sequence[Tender]) -> bool:
    """Whether one of the tenders is cash."""
    return any(each.method == METHOD for each in tenders)


async def pay(
    tx: Transaction,
    checkout_id: UUID,
    buyer_id: UUID,
    tenders: Sequence[Tender],
    *,
    currencies: Collection[str],
    payment_id: UUID,
    act: Act,
) -> Payment:
    """The buyer will pay each merchant at the door: every order of the checkout is captured and can be shipped.

    Raises what `payable.lock` raises, InvalidInput where cash is one tender of several, CashNotAccepted where a
    merchant of the checkout does not take it.
    """
    if len(tenders) != 1:
        reason = "Cash on delivery pays a whole checkout; leave the other tenders out."
        raise InvalidInput(reason=reason, path=("input", "tenders"))
    async with tx.as_platform() as session:
        found = await payable.lock(session, checkout_id, buyer_id, Offer(tenders, currencies, {METHOD}), act)
        if refusing := await _refusing(session, checkout_id):
            raise CashNotAccepted(merchants=tuple(refusing), path=("input", "tenders", 0, "method"))
        payment.record(session, found, tenders, payment_id=payment_id, provider=payment.AT_THE_DOOR, act=act)
        after = {"checkout": str(checkout_id), "provider": payment.AT_THE_DOOR, "amount_minor": found.total_minor}
        await audit.record(session, NOBODY, act, "payment.begin", str(payment_id), None, after)
    return await payment.settle(tx, payment_id, Outcome(ChargeStatus.CAPTURED), act)


async def _refusing(session: PlatformSession, checkout_id: UUID) -> list[str]:
    """Names of the checkout's merchants that take no cash."""
    profile = merchant_profile.c
    statement = (
        select(profile.display_name)
        .join(buyer_order, buyer_order.c.merchant_id == profile.merchant_id)
        .where(buyer_order.c.checkout_id == checkout_id, profile.accepts_cash.is_(False))
        .order_by(profile.display_name)
    )
    return list((await session.execute(statement)).scalars())
