"""What a chargeback books: money held and freed, the loss of a sale, its way back, and the bank's fee."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, insert, select

from merchantry.domain import entries, refund_entries
from merchantry.domain import refund as rules
from merchantry.domain.act import Act
from merchantry.domain.dispute import Divided, divide_chargeback, held_for
from merchantry.domain.ledger import Account, EntryKind, Json
from merchantry.domain.order import RefundedPieces
from merchantry.domain.refund import Asked, RefundKind, RefundLine, RefundPart
from merchantry.domain.refund_entries import Sale
from merchantry.domain.reversal import Refunded, Reversal, reverse
from merchantry.services import ledger, reversal, tender
from merchantry.services.order import Order
from merchantry.services.reversal import Ground
from merchantry.services.tender import Back, HeldPayment
from merchantry.tables.dispute import chargeback
from merchantry.tables.merchant import balance, counter, orders
from merchantry.tables.merchant import refund as refund_table
from tenancy.database import MerchantSession
from tenancy.writes import Changed, write


@dataclass(frozen=True, slots=True)
class Chargeback:
    """A chargeback as it stands. ``evidence`` is what the bank was sent: name, value and ``sent_at`` of each piece."""

    merchant_id: UUID
    id: UUID
    payment_id: UUID
    order_id: UUID
    provider_reference: str
    round: int
    status: str
    currency: str
    amount_minor: int
    covered_minor: int
    held_minor: int
    fee_minor: int
    fee_borne_by: str
    reason: str
    evidence: list[dict[str, str]]
    refund_id: UUID | None
    opened_at: datetime
    respond_by: datetime | None
    ended_at: datetime | None
    hold_seq: int | None
    entry_seq: int | None

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.opened_at, self.id


async def division(session: MerchantSession, found: Order, amount_minor: int, chargeback_id: UUID) -> Divided:
    """What of an amount is left of the sale, refunded without another chargeback, and above both."""
    lines = await reversal.lines_of(session, found)
    table, kind = refund_table.c, RefundKind.CHARGEBACK
    refunded: int = await session.scalar(
        select(func.coalesce(func.sum(table.amount_minor), 0)).where(table.order_id == found.id, table.kind != kind)
    )
    later = chargeback.alias()
    came_back = exists().where(
        later.c.merchant_id == chargeback.c.merchant_id,
        later.c.provider_reference == chargeback.c.provider_reference,
        later.c.round >= chargeback.c.round,
        later.c.status == "won",
    )
    linked: int = await session.scalar(
        select(func.coalesce(func.sum(chargeback.c.covered_minor), 0)).where(
            chargeback.c.merchant_id == session.merchant_id,
            chargeback.c.order_id == found.id,
            chargeback.c.id != chargeback_id,
            ~came_back,
        )
    )
    return divide_chargeback(amount_minor, max(int(refunded) - int(linked), 0), rules.refundable(lines))


async def hold(
    session: MerchantSession, found: Order, sale_minor: int, chargeback_id: UUID, act: Act
) -> tuple[int, int | None]:
    """Keep back what is available of the merchant's; of an order that is not released the money is pending anyway."""
    if found.available_at is None:
        return 0, None
    await session.execute(select(counter.c.value).where(counter.c.name == "entry").with_for_update())
    available: int | None = await session.scalar(
        select(balance.c.amount_minor).where(
            balance.c.account == Account.MERCHANT_AVAILABLE, balance.c.currency == found.currency
        )
    )
    held_minor = held_for(sale_minor, available or 0)
    if not held_minor:
        return 0, None
    seq = await _move(session, EntryKind.HOLD, held_minor, found.id, found.currency, chargeback_id, act)
    return held_minor, seq


async def end_hold(session: MerchantSession, row: Chargeback, act: Act) -> None:
    if row.held_minor:
        await _move(
            session,
            EntryKind.HOLD_ENDED,
            row.held_minor,
            row.order_id,
            row.currency,
            row.id,
            act,
            reverses=row.hold_seq,
        )


async def _move(
    session: MerchantSession,
    kind: EntryKind,
    amount_minor: int,
    order_id: UUID,
    currency: str,
    chargeback_id: UUID,
    act: Act,
    reverses: int | None = None,
) -> int:
    details: dict[str, Json] = {"chargeback": str(chargeback_id)}
    entry = entries.move(
        kind, amount_minor, currency, occurred_at=act.at, details=details, order_id=order_id, reverses=reverses
    )
    return await ledger.book(session, entry, act)


async def post(
    session: MerchantSession, found: Order, row: Chargeback, ground: Ground, held: HeldPayment | None, act: Act
) -> tuple[dict[str, Any], tuple[Back, ...]]:
    """Book the loss as it is now: refunds since the opening count. Returns what changes on the chargeback."""
    divided = await division(session, found, row.amount_minor, row.id)
    if not divided.sale_minor + divided.excess_minor:
        return {"covered_minor": divided.covered_minor}, ()
    lines = await reversal.lines_of(session, found)
    asked = Asked(goodwill_minor=divided.sale_minor)
    parts = rules.divide(found.currency, lines, asked) if divided.sale_minor else ()
    details = {
        "chargeback": str(row.id),
        "excess_borne_by": row.fee_borne_by,
        **reversal.details_of(found, parts),
    }
    entry = refund_entries.chargeback(
        reversal.sale_of(found),
        rules.total_of(parts),
        excess_minor=divided.excess_minor,
        excess_from=_bearer(row),
        occurred_at=act.at,
        details=details,
    )
    seq = await reversal.book(session, found, entry, parts, ground, act)
    changes: dict[str, Any] = {"covered_minor": divided.covered_minor, "entry_seq": seq}
    if not divided.sale_minor:
        return changes, ()
    back = tender.shared(held, divided.sale_minor, found.currency, ())
    await _record_refund(session, found, row, parts, back, divided, seq, act)
    await write(
        session, Changed(orders, {"id": found.id}, {"refunded_minor": found.refunded_minor + divided.sale_minor})
    )
    return {**changes, "refund_id": row.id}, back


async def _record_refund(
    session: MerchantSession,
    found: Order,
    row: Chargeback,
    parts: Sequence[RefundPart],
    back: Sequence[Back],
    divided: Divided,
    seq: int,
    act: Act,
) -> None:
    """The loss counts among the order's refunds, so that nobody refunds it once more."""
    parties = {
        "lines": [reversal.document(part) for part in parts],
        "tenders": [each.document() for each in back],
        "excess_minor": divided.excess_minor,
    }
    values = {
        "id": row.id,
        "order_id": found.id,
        "kind": RefundKind.CHARGEBACK,
        "currency": found.currency,
        "amount_minor": divided.sale_minor,
        "commission_minor": sum(part.reversal.commission_minor for part in parts),
        "merchant_minor": sum(part.reversal.merchant_minor for part in parts),
        **reversal.columns(parts),
        "parties": parties,
        "reason": row.reason,
        "requested_by": act.actor_seen_by_merchant,
        "status": "sent",
        "entry_seq": seq,
        "occurred_at": act.at,
        "sent_at": act.at,
    }
    await session.execute(insert(refund_table).values(values))


async def give_again(
    session: MerchantSession, found: Order, lost: Chargeback, ground: Ground, act: Act
) -> tuple[int, tuple[Back, ...]]:
    """Book a loss back: every party gets what refunds of so much would take of it now."""
    booked = await ledger.entry_of(session, lost.entry_seq or 0)
    kept = (
        await session.execute(select(refund_table).where(refund_table.c.id == lost.refund_id).with_for_update())
    ).one_or_none()
    parts = _parts_of(kept, await reversal.lines_of(session, found)) if kept else ()
    sale: Sale = reversal.sale_of(found)
    reversed_ = rules.total_of(parts)
    details = {**reversal.details_of(found, parts, sign=-1), "chargeback": str(lost.id)}
    entry = refund_entries.chargeback_reversed(
        booked.entry, booked.seq, sale, reversed_, occurred_at=act.at, details=details
    )
    seq = await reversal.book(session, found, entry, parts, ground, act, sign=-1)
    if kept is None:
        return seq, ()
    await write(
        session,
        Changed(
            refund_table, {"id": kept.id}, {"status": "failed", "failure": "The chargeback was won in a later round."}
        ),
        Changed(orders, {"id": found.id}, {"refunded_minor": found.refunded_minor - kept.amount_minor}),
    )
    return seq, tuple(Back(**each) for each in kept.parties["tenders"])


def _parts_of(kept: Row[Any], lines: Sequence[RefundLine]) -> tuple[RefundPart, ...]:
    """What a kept refund is now a part of, line by line: the last of all that was refunded."""
    known, parts = {line.id: line for line in lines}, []
    for line_id, goods_minor, shipping_minor in zip(kept.line_ids, kept.goods_minor, kept.shipping_minor, strict=True):
        line, refunded = known[line_id], Refunded(goods_minor, shipping_minor)
        before = Refunded(line.before.goods_minor - goods_minor, line.before.shipping_minor - shipping_minor)
        changed = line.fee_change_minor
        taken: Reversal = reverse(kept.currency, line.split, before, refunded, fee_change_minor=changed)
        parts.append(RefundPart(line, RefundedPieces(), refunded, taken))
    return tuple(parts)


def _bearer(row: Chargeback) -> Account:
    """Whose account the fee, and what the bank takes above the sale, come out of."""
    return Account.PLATFORM_EXPENSE if row.fee_borne_by == "platform" else Account.MERCHANT_AVAILABLE


async def book_fee(session: MerchantSession, found: Order, row: Chargeback, act: Act) -> None:
    if not row.fee_minor:
        return
    details: dict[str, Json] = {"chargeback": str(row.id), "number": found.number}
    sale = reversal.sale_of(found)
    entry = refund_entries.chargeback_fee(row.fee_minor, sale, _bearer(row), occurred_at=act.at, details=details)
    await ledger.book(session, entry, act, entries.platform_side(entry, earned=found.available_at is not None))
