"""Chargebacks: the buyer's bank takes a payment back. Opened holds money, lost posts the loss, won releases it.

The hold's clock stands still meanwhile. One loss per sale: what was refunded already is linked (``covered_minor``) and
not lost again. What the bank takes above what is left of the sale is borne as its fee is: by the merchant, or by the
platform where the contract says so. A second round may follow a won or a lost one; where a lost one is won then,
everybody gets back what was taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, select, tuple_

from merchantry.domain.act import Act
from merchantry.domain.dispute import Divided
from merchantry.domain.entries import Collector
from merchantry.domain.errors import ChargebackRefused, InvalidInput, NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.order import OrderStatus
from merchantry.services import (
    audit,
    chargeback_case,
    chargeback_entries,
    dispute,
    order,
    outbox,
    refund,
    split,
    tender,
)
from merchantry.services.chargeback_entries import Chargeback
from merchantry.services.tender import Back
from merchantry.tables.dispute import chargeback
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.writes import Changed, write


@dataclass(frozen=True, slots=True)
class NewChargeback:
    """What the bank says: its reference, how much it takes of one order of a payment, why, and what it charges."""

    order_id: UUID
    reference: str
    amount_minor: int
    reason: str
    fee_minor: int = 0
    fee_borne_by: str = "merchant"
    respond_by: datetime | None = None
    id: UUID = field(default_factory=uuid4)


TOLD = {"open": EventKind.CHARGEBACK_OPENED, "won": EventKind.CHARGEBACK_WON, "lost": EventKind.CHARGEBACK_LOST}

MOST = 50
"""How many chargebacks of an order are shown with it."""

ENDED = (OrderStatus.CANCELLED, OrderStatus.REFUNDED)
COLUMNS = [chargeback.c[name] for name in Chargeback.__slots__]


async def open_(tx: Transaction, merchant_id: UUID, new: NewChargeback, act: Act) -> UUID:
    """The bank has opened a chargeback, or its next round: what is available of the merchant's is held.

    Returns its id. Raises NotFound, ChargebackRefused while a round is open, InvalidInput for an order that was not
    paid through the platform, and for one that the reference is not about.
    """
    held, ground = await refund.prepare(tx, merchant_id, new.order_id, act)
    if held is None:
        raise InvalidInput(reason="No payment was captured for this order.", path=("order_id",))
    async with tx.as_merchant(merchant_id) as session:
        found = await refund.caught_up(session, new.order_id, ground.terms, act)
        if found.collected_by == Collector.MERCHANT:
            raise InvalidInput(reason="The merchant collected this order's money; no bank took it.", path=("order_id",))
        last = await _last_round(session, new)
        if last is not None and last.status == "opened":
            raise ChargebackRefused(status=last.status, act="open")
        divided, held_minor, hold_seq = Divided(0, 0, 0), 0, None
        if last is None or last.status != "lost":
            divided = await chargeback_entries.division(session, found, new.amount_minor, new.id)
            held_minor, hold_seq = await chargeback_entries.hold(session, found, divided.sale_minor, new.id, act)
        row: dict[str, Any] = {
            **{name: getattr(new, name) for name in ("id", "order_id", "amount_minor", "reason", "fee_minor")},
            "fee_borne_by": new.fee_borne_by,
            "respond_by": new.respond_by,
            "merchant_id": merchant_id,
            "payment_id": held.id,
            "provider_reference": new.reference,
            "round": 1 if last is None else last.round + 1,
            "status": "opened",
            "currency": found.currency,
            "covered_minor": divided.covered_minor,
            "held_minor": held_minor,
            "hold_seq": hold_seq,
            "opened_at": act.at,
            "evidence": [],
        }
        await session.execute(insert(chargeback).values(row))
        await dispute.stop_clock(session, found, "chargeback", new.id, act)
        await _tell(session, new.id, new.order_id, "open", {"amount_minor": new.amount_minor}, act)
    row |= dict.fromkeys(("refund_id", "ended_at", "entry_seq"))
    async with tx.as_platform() as platform:
        await chargeback_case.open_(platform, Chargeback(**row), found, act)
    return new.id


async def lose(tx: Transaction, merchant_id: UUID, chargeback_id: UUID, act: Act) -> None:
    """The bank has decided for the buyer: what is left of the sale is taken back from its parties, with the bank's fee.

    Raises NotFound, ChargebackRefused unless it is open.
    """
    known = await _known(tx, merchant_id, chargeback_id)
    held, ground = await refund.prepare(tx, merchant_id, known.order_id, act)
    async with tx.as_merchant(merchant_id) as session:
        found = await order.load(session, known.order_id)
        row = await _opened(session, known, "lose")
        before = await _lost_before(session, row)
        await chargeback_entries.end_hold(session, row, act)
        changes: dict[str, Any] = {"status": "lost", "ended_at": act.at}
        back: tuple[Back, ...] = ()
        if before is None:
            posted, back = await chargeback_entries.post(session, found, row, ground, held, act)
            changes |= posted
        await chargeback_entries.book_fee(session, found, row, act)
        await _end(session, row, changes, act)
    await refund.count(tx, held, back)
    async with tx.as_platform() as platform:
        await chargeback_case.end(platform, merchant_id, chargeback_id, "lost", act)


async def win(tx: Transaction, merchant_id: UUID, chargeback_id: UUID, act: Act) -> None:
    """The bank has decided for the sale: what was held is free, and what an earlier round took comes back.

    Raises NotFound, ChargebackRefused unless it is open.
    """
    known = await _known(tx, merchant_id, chargeback_id)
    held, ground = await refund.prepare(tx, merchant_id, known.order_id, act)
    async with tx.as_merchant(merchant_id) as session:
        found = await order.load(session, known.order_id)
        row = await _opened(session, known, "win")
        before = await _lost_before(session, row)
        await chargeback_entries.end_hold(session, row, act)
        changes: dict[str, Any] = {"status": "won", "ended_at": act.at}
        back: tuple[Back, ...] = ()
        if before is not None and before.entry_seq is not None:
            changes["entry_seq"], back = await chargeback_entries.give_again(session, found, before, ground, act)
            if found.status in ENDED:  # nothing else will release what came back
                await split.release_rest(session, found, ground.terms, act)
        await chargeback_entries.book_fee(session, found, row, act)
        await _end(session, row, changes, act)
    async with tx.as_platform() as platform:
        if held is not None and back:
            await tender.refunded(platform, held, back, sign=-1)
        await chargeback_case.end(platform, merchant_id, chargeback_id, "won", act)


async def _last_round(session: MerchantSession, new: NewChargeback) -> Chargeback | None:
    statement = (
        select(*COLUMNS)
        .where(chargeback.c.merchant_id == session.merchant_id, chargeback.c.provider_reference == new.reference)
        .order_by(chargeback.c.round.desc())
        .limit(1)
        .with_for_update()
    )
    row = (await session.execute(statement)).one_or_none()
    if row is not None and row.order_id != new.order_id:
        raise InvalidInput(reason="The bank's reference is about another order.", path=("reference",))
    return Chargeback(**row._asdict()) if row else None


async def _known(tx: Transaction, merchant_id: UUID, chargeback_id: UUID) -> Chargeback:
    async with tx.as_merchant(merchant_id) as session:
        found = await find(session, merchant_id, chargeback_id)
    if found is None:
        raise NotFound(what="chargeback", path=("chargeback_id",))
    return found


async def _opened(session: MerchantSession, known: Chargeback, did: str) -> Chargeback:
    """The chargeback, locked. Raises ChargebackRefused unless it is open."""
    locked = select(*COLUMNS).where(chargeback.c.merchant_id == known.merchant_id, chargeback.c.id == known.id)
    row = (await session.execute(locked.with_for_update())).one()
    if row.status != "opened":
        raise ChargebackRefused(status=row.status, act=did)
    return Chargeback(**row._asdict())


async def _lost_before(session: MerchantSession, row: Chargeback) -> Chargeback | None:
    """The round whose loss was booked and has not come back since; None where the money is not with the bank."""
    statement = select(*COLUMNS).where(
        chargeback.c.merchant_id == row.merchant_id,
        chargeback.c.provider_reference == row.provider_reference,
        chargeback.c.round < row.round,
    )
    rounds = [Chargeback(**each._asdict()) for each in await session.execute(statement.order_by(chargeback.c.round))]
    if not rounds or rounds[-1].status != "lost":
        return None
    since_won = list(takewhile(lambda each: each.status == "lost", reversed(rounds)))
    return next((each for each in since_won if each.entry_seq is not None), rounds[-1])


async def _end(session: MerchantSession, row: Chargeback, changes: dict[str, Any], act: Act) -> None:
    await write(session, Changed(chargeback, {"merchant_id": row.merchant_id, "id": row.id}, changes))
    await dispute.resume_clock(session, row.order_id, "chargeback", row.id, act)
    await _tell(session, row.id, row.order_id, changes["status"], {"amount_minor": row.amount_minor}, act)


async def _tell(
    session: MerchantSession, chargeback_id: UUID, order_id: UUID, did: str, facts: dict[str, Any], act: Act
) -> None:
    after = {"order": str(order_id), **facts}
    await write(
        session,
        audit.event(session, session.merchant_id, act, f"chargeback.{did}", str(chargeback_id), None, after),
        *outbox.published(session, TOLD[did], {"chargeback": chargeback_id, **after}, act),
    )


async def find(session: MerchantSession | PlatformSession, merchant_id: UUID, chargeback_id: UUID) -> Chargeback | None:
    """One chargeback; a merchant's session finds only its own."""
    statement = select(*COLUMNS).where(chargeback.c.merchant_id == merchant_id, chargeback.c.id == chargeback_id)
    row = (await session.execute(statement)).one_or_none()
    return Chargeback(**row._asdict()) if row else None


async def of_orders(session: MerchantSession, order_ids: Sequence[UUID]) -> list[Chargeback]:
    """The chargebacks of some of the merchant's orders, oldest first, of each the latest ``MOST``."""
    table = chargeback.c
    latest = func.row_number().over(
        partition_by=table.order_id, order_by=(table.opened_at.desc(), table.round.desc(), table.id.desc())
    )
    own = (table.merchant_id == session.merchant_id, table.order_id == func.any(list(order_ids)))
    chosen = select(*COLUMNS, latest.label("latest")).where(*own).subquery()
    statement = select(*(chosen.c[column.name] for column in COLUMNS)).where(chosen.c.latest <= MOST)
    rows = await session.execute(statement.order_by(chosen.c.opened_at, chosen.c.round, chosen.c.id))
    return [Chargeback(**row._asdict()) for row in rows]


async def page(
    session: MerchantSession | PlatformSession,
    *conditions: ColumnElement[bool],
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Chargeback]:
    """Chargebacks, newest first; a merchant's session sees its own."""
    statement = (
        select(*COLUMNS).where(*conditions).order_by(chargeback.c.opened_at.desc(), chargeback.c.id.desc()).limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(chargeback.c.opened_at, chargeback.c.id) < tuple_(*after))
    return [Chargeback(**row._asdict()) for row in await session.execute(statement)]
