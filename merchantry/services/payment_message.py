"""What payment providers tell unasked: each message is carried out once, with what it says, or not at all."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.errors import NotFound
from merchantry.gateways.payment import Told
from merchantry.services import payment
from merchantry.tables.platform import payment_message
from tenancy.database import PlatformSession, Transaction

KEPT_FOR: Final = timedelta(days=30)
"""For longer than any provider repeats itself. A message that is carried out again even then has no second effect."""


async def hear(tx: Transaction, provider: str, message_id: str, told: Told, act: Act) -> bool:
    """Carry a message out, unless it was before. Whether there is such a payment of this provider; if not, nothing is
    kept of the message, so that it may come again when there is.
    """
    async with tx.as_platform() as session:
        try:
            found = await payment.find(session, told.key)
        except NotFound:
            return False
        if found.provider != provider:
            return False
        if not await _is_new(session, provider, message_id, told, act):
            return True
    await payment.settle(tx, told.key, told.outcome, act)
    async with tx.as_platform() as session:
        old = payment_message.c.received_at < act.booked_at - KEPT_FOR
        await session.execute(delete(payment_message).where(old))
    return True


async def _is_new(session: PlatformSession, provider: str, message_id: str, told: Told, act: Act) -> bool:
    """Whoever brings the same message at the same moment waits here for the one who came first."""
    row = {
        "provider": provider,
        "message_id": message_id,
        "payment_id": told.key,
        "received_at": act.booked_at,
    }
    made = insert(payment_message).values(row).on_conflict_do_nothing().returning(payment_message.c.payment_id)
    return (await session.execute(made)).first() is not None
