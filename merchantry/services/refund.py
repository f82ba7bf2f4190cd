"""Refunds on their way to the buyer."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from merchantry.services import payment
from merchantry.tables.merchant import orders, refund
from tenancy.database import Database


@dataclass(frozen=True, slots=True)
class RefundToSend:
    """What to ask the provider for."""

    charge_key: UUID
    amount_minor: int


async def refund_to_send(database: Database, actor: str, merchant_id: UUID, refund_id: UUID) -> RefundToSend | None:
    """A refund and the payment that it goes back to; None where it was sent, or the payment was taken elsewhere.

    Whoever took a payment elsewhere (an import's) also sends the money back; such a refund stays pending here.
    """
    async with database.read(actor) as tx:
        async with tx.as_merchant(merchant_id) as session:
            statement = select(refund.c.amount_minor, refund.c.status, orders.c.checkout_id).join(
                orders, orders.c.id == refund.c.order_id
            )
            row = (await session.execute(statement.where(refund.c.id == refund_id))).one()
        async with tx.as_platform() as platform:
            captured = await payment.captured_of(platform, row.checkout_id)
    if captured is None:
        raise ValueError(f"refund {refund_id} is of a checkout that was never paid")
    if row.status == "sent" or captured.provider == payment.ELSEWHERE:
        return None
    return RefundToSend(captured.id, row.amount_minor)
