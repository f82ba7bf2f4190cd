"""Winding a merchant up: it sells no more, its last period is cut, its last balance paid. Sealing it is another module.

Everything here can be repeated: what is done already is found done.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, case, func, literal, select, update
from sqlalchemy.sql import ColumnElement

from merchantry.domain import winding_up as rules
from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus
from merchantry.domain.errors import (
    InvalidInput,
    MarketError,
    MerchantClosed,
    MerchantQuarantined,
    MerchantRestoring,
    NotFound,
)
from merchantry.domain.event import EventKind
from merchantry.domain.ledger import Account, EntryKind
from merchantry.domain.order import OrderStatus
from merchantry.domain.payout import PayoutStatus
from merchantry.domain.settlement import local_day
from merchantry.domain.text import check_text
from merchantry.domain.winding_up import Blocker, Obstacle, Standing
from merchantry.services import audit, ledger, outbox, payee, settlement, totals
from merchantry.services import schedule as schedules
from merchantry.services.queue import JobKind
from merchantry.services.review_case import ask_people_of
from merchantry.services.settlement import Closed
from merchantry.tables.case import review_case
from merchantry.tables.dispute import chargeback, return_request
from merchantry.tables.merchant import orders, refund
from merchantry.tables.merchant_settlement import statement
from merchantry.tables.payout import payout
from merchantry.tables.platform import job
from merchantry.tables.winding_up import winding_up
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.directory import announce
from tenancy.tables import merchant
from tenancy.writes import Changed, New, write

CLOSING, CLOSED = "closing", "closed"
RESTORING, QUARANTINED = "restoring", "quarantined"
REFUSALS: Mapping[str, type[MarketError]] = {
    CLOSED: MerchantClosed,
    RESTORING: MerchantRestoring,
    QUARANTINED: MerchantQuarantined,
}
"""Why nothing is done with what a merchant of this status has."""

MAX_REASON = 500
ENDED = (OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.REFUNDED)
BESIDE_THE_BOOKS = (JobKind.REPORT_PRODUCE, JobKind.REPORT_FORGET, JobKind.CASE_OVERDUE, JobKind.BACKUP_TAKE)
"""Work that goes on for a merchant that is closed."""

PAYOUTS_ENDED = (PayoutStatus.PAID, PayoutStatus.RETURNED, PayoutStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a go at the last settlement came to: what stands in its way, or what it made."""

    blockers: tuple[Blocker, ...] = ()
    closed: Closed = field(default_factory=Closed)


async def begin(session: PlatformSession, merchant_id: UUID, reason: str, act: Act) -> None:
    """From now on the merchant sells nothing; its staff go on shipping and reading. Repeating it changes nothing.

    Raises NotFound, MerchantClosed, InvalidInput without a reason.
    """
    check_text(reason, MAX_REASON, ("reason",))
    status = await _locked(session, merchant_id)
    if refusal := REFUSALS.get(status):
        raise refusal
    if status == CLOSING:
        return
    row = {"merchant_id": merchant_id, "reason": reason, "begun_by": act.actor, "begun_at": act.at}
    before, after = {"status": status}, {"status": CLOSING, "reason": reason}
    await session.execute(update(merchant).where(merchant.c.id == merchant_id).values(status=CLOSING))
    await write(
        session,
        New(winding_up, row),
        audit.event(session, merchant_id, act, "merchant.close", str(merchant_id), before, after),
        *outbox.published(session, EventKind.MERCHANT_CLOSING, {"merchant": merchant_id}, act, merchant_id=merchant_id),
    )
    await announce(session, merchant_id)


async def settle_last(tx: Transaction, merchant_id: UUID, act: Act) -> Settled:
    """End the merchant's open period at the act's moment and pay its balance, whatever the minimum; without reserve.

    Nothing is done while something stands in the way, and nothing more where all is settled. What comes in afterwards,
    such as a payout that the bank returned, is settled by one more period of the same kind. Raises NotFound,
    InvalidInput unless the merchant is closing.
    """
    async with tx.as_platform() as platform:
        if await _locked(platform, merchant_id) != CLOSING:
            raise InvalidInput(reason="This merchant is not being closed; close it first.", path=("slug",))
        row = (await platform.execute(select(winding_up).where(winding_up.c.merchant_id == merchant_id))).one()
    async with tx.as_merchant(merchant_id) as session:
        standing = await standing_of(session)
        if blockers := rules.before_the_last_settlement(standing, act.at):
            return Settled(blockers)
        if row.cut_at is not None and not await _is_left_to_settle(session, standing, act.at):
            return Settled()
    return Settled(closed=await _cut(tx, merchant_id, row, act))


async def _is_left_to_settle(session: MerchantSession, standing: Standing, at: datetime) -> bool:
    """Whether more has happened since the last period was cut than that its balance was paid."""
    _, unclaimed = await settlement.unclaimed(session, at)
    if any(each.kind is not EntryKind.PAYOUT for found in unclaimed.values() for each in found):
        return True
    for currency, amount_minor in standing.of(Account.MERCHANT_AVAILABLE):
        if amount_minor > 0 and await payee.usable_account(session, currency, at):
            return True
    return False


async def _cut(tx: Transaction, merchant_id: UUID, row: Row[Any], act: Act) -> Closed:
    async with tx.as_platform() as platform:
        period, zone = await schedules.cut(platform, merchant_id, act)
        before = {"cut_at": row.cut_at.isoformat() if row.cut_at else None}
        after = {"cut_at": act.at.isoformat()}
        await write(
            platform,
            Changed(winding_up, {"merchant_id": merchant_id}, {"cut_at": act.at}),
            audit.event(platform, merchant_id, act, "merchant.settle_last", str(merchant_id), before, after),
        )
        conditions = await settlement.conditions_of(platform, merchant_id, act.booked_at)
    async with tx.as_merchant(merchant_id) as session:
        await totals.cut_period(session, period, local_day(act.at, zone))
        without = replace(conditions, minimum_minor={}, reserve_bps=0)
        closed = await settlement.close(session, without, act.at, act)
    await ask_people_of(tx, closed.reviewed, act)
    return closed


async def standing_of(session: MerchantSession, kinds: Collection[CaseKind] = tuple(CaseKind)) -> Standing:
    """How the merchant stands; of cases, those of these kinds count."""
    row = (await session.execute(_standing(session.merchant_id, kinds))).one()
    balances = {
        (each.account, each.currency): each.amount_minor for each in await ledger.balances(session) if each.amount_minor
    }
    return Standing(
        counts={each: getattr(row, each.value) for each in rules.COUNTED},
        last_sale_at=row.last_sale_at,
        last_charge_at=row.last_charge_at,
        undecided_statements=row.undecided_statements,
        statements_accepted_by=row.statements_accepted_by,
        jobs=row.jobs,
        balances=balances,
    )


def blockers_of(standing: Standing, at: datetime, *, keep_debt: bool = False) -> tuple[Blocker, ...]:
    """Everything that stands in the way now."""
    return rules.before_the_last_settlement(standing, at) or rules.before_the_end(standing, keep_debt=keep_debt)


def _standing(merchant_id: UUID, kinds: Collection[CaseKind]) -> Select[Any]:
    is_open = orders.c.status.not_in(ENDED)
    is_held = orders.c.captured_at.is_not(None) & orders.c.available_at.is_(None)
    charged_at = case((orders.c.collected_by == "platform", orders.c.captured_at))
    waits = statement.c.status != "accepted"
    of_orders = select(
        func.count().filter(is_open).label(Obstacle.OPEN_ORDER.value),
        func.count().filter((orders.c.status == OrderStatus.COMPLETED) & is_held).label(Obstacle.HOLD.value),
        func.greatest(func.max(orders.c.captured_at), func.max(orders.c.last_delivered_at)).label("last_sale_at"),
        func.max(charged_at).label("last_charge_at"),
    ).subquery()
    own = {table: table.c.merchant_id == merchant_id for table in (return_request, chargeback, review_case, payout)}
    counts: dict[str, ColumnElement[Any]] = {
        Obstacle.OPEN_REFUND: refund.c.status.in_(("pending", "unknown", "failed")),
        Obstacle.OPEN_RETURN: own[return_request] & return_request.c.status.in_(("requested", "approved", "received")),
        Obstacle.OPEN_CHARGEBACK: own[chargeback] & (chargeback.c.status == "opened"),
        Obstacle.OPEN_CASE: own[review_case]
        & (review_case.c.status == CaseStatus.OPEN)
        & review_case.c.kind.in_([each.value for each in kinds]),
        Obstacle.OPEN_PAYOUT: own[payout] & payout.c.status.not_in([each.value for each in PAYOUTS_ENDED]),
        "undecided_statements": waits,
        "jobs": (job.c.merchant_id == merchant_id) & job.c.kind.not_in(BESIDE_THE_BOOKS),
    }
    columns = [
        select(func.count()).where(condition).scalar_subquery().label(str(name)) for name, condition in counts.items()
    ]
    accepted_by = select(func.max(statement.c.accept_by)).where(waits).scalar_subquery()
    return select(of_orders, *columns, accepted_by.label("statements_accepted_by")).where(literal(True))


async def _locked(session: PlatformSession, merchant_id: UUID) -> str:
    """The merchant's status, kept as it is until the transaction ends. Raises NotFound."""
    statement = select(merchant.c.status).where(merchant.c.id == merchant_id).with_for_update()
    status: str | None = await session.scalar(statement)
    if status is None:
        raise NotFound(what="merchant", path=("merchant",))
    return status


async def refuse_closed(session: PlatformSession, merchant_id: UUID) -> None:
    """Before anything is done with what a merchant has: raises MerchantClosed, MerchantRestoring or MerchantQuarantined
    where that can only be read, if at all."""
    status: str | None = await session.scalar(select(merchant.c.status).where(merchant.c.id == merchant_id))
    if refusal := REFUSALS.get(status or ""):
        raise refusal
