"""A payment provider for development: its behaviour is chosen by the tender's method.

It stands for a company outside, so it keeps books of its own and commits for itself.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.gateways.payment import Charge, ChargeStatus, Outcome, Tender
from merchantry.tables.platform import sandbox_charge, sandbox_refund
from tenancy.database import Database, PlatformSession

ACTOR = "sandbox"
DELAY = timedelta(seconds=5)


class Method(StrEnum):
    """What a tender can be paid with here, and what then happens.

    Those of refunds are approved. REFUND_FAIL: a refund is declined. REFUND_SILENT: a refund is made, but whoever asks
    for it first gets no answer.
    """

    APPROVE = "sandbox_approve"
    DECLINE = "sandbox_decline"
    ACTION = "sandbox_action"
    DELAY = "sandbox_delay"
    REFUND_FAIL = "sandbox_refund_fail"
    REFUND_SILENT = "sandbox_refund_silent"


class Sandbox:
    """The built-in provider. ``page_url`` is where a buyer approves or declines a charge that needs an action."""

    name = "sandbox"
    methods: frozenset[str] = frozenset(Method)

    def __init__(self, database: Database, clock: Callable[[], datetime], page_url: str) -> None:
        self._database = database
        self._clock = clock
        self._page_url = page_url

    async def charge(self, charge: Charge) -> Outcome:
        """The worst of the tenders decides."""
        now = self._clock()
        method = _worst([tender.method for tender in charge.tenders])
        row = {
            "id": charge.key,
            "status": _FIRST_ANSWER[method],
            "currency": charge.currency,
            "amount_minor": charge.amount_minor,
            "refunded_minor": 0,
            "method": method,
            "created_at": now,
            "resolves_at": now + DELAY if method is Method.DELAY else None,
        }
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            await session.execute(insert(sandbox_charge).values(row).on_conflict_do_nothing())
        return await self.find(charge.key)

    async def find(self, key: UUID) -> Outcome:
        """The charge's state; a delayed one is captured once its time has come."""
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            row = await self._resolved(session, key)
        return self._outcome(row) if row else Outcome(ChargeStatus.UNKNOWN, reason="no such charge")

    async def cancel(self, key: UUID) -> Outcome:
        """Give the charge up unless it is captured. One that comes in later finds its place taken."""
        given_up = {
            "id": key,
            "status": ChargeStatus.CANCELLED,
            "currency": "",
            "amount_minor": 0,
            "refunded_minor": 0,
            "method": "",
            "created_at": self._clock(),
        }
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            await session.execute(insert(sandbox_charge).values(given_up).on_conflict_do_nothing())
        return await self.resolve(key, ChargeStatus.CANCELLED)

    async def resolve(self, key: UUID, status: ChargeStatus) -> Outcome:
        """What the buyer (or the shop, by cancelling) does about an open charge."""
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            row = await self._resolved(session, key)
            if row is None:
                return Outcome(ChargeStatus.UNKNOWN, reason="no such charge")
            if row.status in (ChargeStatus.PENDING, ChargeStatus.ACTION_REQUIRED):
                await session.execute(update(sandbox_charge).where(sandbox_charge.c.id == key).values(status=status))
                row = await self._resolved(session, key)
        return self._outcome(row) if row else Outcome(ChargeStatus.UNKNOWN)

    async def refund(self, key: UUID, charge_key: UUID, amount_minor: int, tenders: Sequence[Tender]) -> Outcome:
        """Once per key, and never more than was captured."""
        methods = {tender.method for tender in tenders}
        if Method.REFUND_FAIL in methods:
            return Outcome(ChargeStatus.DECLINED, reason="the sandbox declines refunds to this method")
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            charged = await self._resolved(session, charge_key)
            if charged is None or charged.status != ChargeStatus.CAPTURED:
                return Outcome(ChargeStatus.DECLINED, reason="the charge is not captured")
            is_new = await self._refunded(session, charged, key, amount_minor)
        if is_new and Method.REFUND_SILENT in methods:
            raise TimeoutError
        return Outcome(ChargeStatus.CAPTURED, reference=str(key))

    async def _refunded(self, session: PlatformSession, charged: Row[Any], key: UUID, amount_minor: int) -> bool:
        """Whether the refund is made now, and was not before."""
        row = {"id": key, "charge_id": charged.id, "amount_minor": amount_minor, "created_at": self._clock()}
        made = await session.execute(
            insert(sandbox_refund).values(row).on_conflict_do_nothing().returning(sandbox_refund.c.id)
        )
        if made.first() is None:
            return False
        if charged.refunded_minor + amount_minor > charged.amount_minor:
            raise ValueError("more would be refunded than was captured")
        added = sandbox_charge.c.refunded_minor + amount_minor
        await session.execute(
            update(sandbox_charge).where(sandbox_charge.c.id == charged.id).values(refunded_minor=added)
        )
        return True

    async def _resolved(self, session: PlatformSession, key: UUID) -> Row[Any] | None:
        table = sandbox_charge.c
        due = (table.id == key, table.status == ChargeStatus.PENDING, table.resolves_at <= self._clock())
        await session.execute(update(sandbox_charge).where(*due).values(status=ChargeStatus.CAPTURED))
        return (await session.execute(select(sandbox_charge).where(table.id == key).with_for_update())).one_or_none()

    def _outcome(self, row: Row[Any]) -> Outcome:
        status = ChargeStatus(row.status)
        action = f"{self._page_url}/{row.id}" if status is ChargeStatus.ACTION_REQUIRED else None
        reason = "the sandbox declines this method" if status is ChargeStatus.DECLINED else None
        return Outcome(status, reference=str(row.id), action_url=action, reason=reason)


_FIRST_ANSWER = {
    Method.APPROVE: ChargeStatus.CAPTURED,
    Method.DECLINE: ChargeStatus.DECLINED,
    Method.ACTION: ChargeStatus.ACTION_REQUIRED,
    Method.DELAY: ChargeStatus.PENDING,
    Method.REFUND_FAIL: ChargeStatus.CAPTURED,
    Method.REFUND_SILENT: ChargeStatus.CAPTURED,
}
_WORST_FIRST = (Method.DECLINE, Method.ACTION, Method.DELAY, Method.APPROVE)


def _worst(methods: list[str]) -> Method:
    given = {Method(method) for method in methods}
    return next((method for method in _WORST_FIRST if method in given), Method.APPROVE)
