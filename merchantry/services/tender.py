"""What a payment's refunds go back to; the payment's row is locked first, so that refunds of it wait for each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select

from merchantry.domain.tender import PaidTender, backwards
from merchantry.tables.platform import buyer_order, payment, tender
from tenancy.database import PlatformSession
from tenancy.writes import Changed, write

LOCK = (
    select(payment.c.id, payment.c.provider, payment.c.refunded_minor)
    .join(buyer_order, buyer_order.c.checkout_id == payment.c.checkout_id)
    .where(
        buyer_order.c.merchant_id == bindparam("merchant"),
        buyer_order.c.order_id == bindparam("order"),
        payment.c.status == "captured",
    )
    .with_for_update(of=payment)
)
TENDERS = select(tender).where(tender.c.payment_id == bindparam("payment")).order_by(tender.c.position)


@dataclass(frozen=True, slots=True)
class HeldPayment:
    """The captured payment of an order, locked until the transaction ends."""

    id: UUID
    provider: str
    refunded_minor: int
    tenders: tuple[PaidTender, ...]


@dataclass(frozen=True, slots=True)
class Back:
    """What goes back to one tender."""

    position: int
    method: str
    amount_minor: int

    def document(self) -> dict[str, str | int]:
        """As the refund keeps it."""
        return {"position": self.position, "method": self.method, "amount_minor": self.amount_minor}


async def hold(session: PlatformSession, merchant_id: UUID, order_id: UUID) -> HeldPayment | None:
    """The payment of an order, None where none was captured."""
    row = (await session.execute(LOCK, {"merchant": merchant_id, "order": order_id})).one_or_none()
    if row is None:
        return None
    rows = await session.execute(TENDERS, {"payment": row.id})
    tenders = tuple(PaidTender(each.position, each.method, each.amount_minor, each.refunded_minor) for each in rows)
    return HeldPayment(row.id, row.provider, row.refunded_minor, tenders)


def shared(held: HeldPayment | None, amount_minor: int, currency: str, first: Sequence[int]) -> tuple[Back, ...]:
    """Which tenders get how much back. Raises as `domain.tender.backwards`."""
    if held is None:
        return ()
    return tuple(
        Back(each.position, each.method, minor)
        for each, minor in backwards(held.tenders, amount_minor, currency, first)
    )


async def refunded(session: PlatformSession, held: HeldPayment, back: Sequence[Back], *, sign: int = 1) -> None:
    """Count what goes back to each tender; with ``sign`` -1 take it out of the count again."""
    known = {each.position: each for each in held.tenders}
    total_minor = held.refunded_minor + sign * sum(each.amount_minor for each in back)
    await write(
        session,
        Changed(payment, {"id": held.id}, {"refunded_minor": total_minor}),
        *(
            Changed(
                tender,
                {"payment_id": held.id, "position": each.position},
                {"refunded_minor": known[each.position].refunded_minor + sign * each.amount_minor},
            )
            for each in back
        ),
    )
