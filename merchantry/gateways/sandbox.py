"""A payment provider for development: its behaviour is chosen by the tender's method.

It stands for a company outside, so it keeps books of its own and commits for itself.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, case, select, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.gateways.payment import (
    Action,
    ActionKind,
    Charge,
    ChargeStatus,
    MessageUnreadable,
    Outcome,
    Tender,
    Told,
)
from merchantry.tables.platform import sandbox_charge, sandbox_refund
from tenancy.database import Database, PlatformSession

ACTOR = "sandbox"
DELAY = timedelta(seconds=5)
LONGEST_REASON = 200
ACTION_LASTS = timedelta(minutes=15)
EVENT = "payment."
"""What the types of events about charges begin with; the charge's status follows."""


class Method(StrEnum):
    """What a tender can be paid with here, and what then happens.

    ACTION waits for an answer on the page for ever; REDIRECT and QR for a while, then the charge is cancelled.
    Those of refunds are approved. REFUND_FAIL: a refund is declined. REFUND_SILENT: a refund is made, but whoever asks
    for it first gets no answer.
    """

    APPROVE = "sandbox_approve"
    DECLINE = "sandbox_decline"
    ACTION = "sandbox_action"
    REDIRECT = "sandbox_redirect"
    QR = "sandbox_qr"
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
            "resolves_at": now + _LASTS[method] if method in _LASTS else None,
        }
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            new = (await session.finish(_CHARGED, row)).one_or_none()
        return self._outcome(new) if new else await self.find(charge.key)

    async def find(self, key: UUID) -> Outcome:
        """The charge's state; once its time has come a delayed one is captured, one that waits for its buyer not."""
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
                return self._outcome(await self._set(session, row, status))
        return self._outcome(row)

    async def pay_anyway(self, key: UUID) -> Outcome:
        """The buyer pays a charge that has ended already, as with a code that is scanned too late: it is captured."""
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            row = await self._resolved(session, key)
            if row is None:
                return Outcome(ChargeStatus.UNKNOWN, reason="no such charge")
            if row.method:  # one that was cancelled before it came in has none, and nobody can pay it
                row = await self._set(session, row, ChargeStatus.CAPTURED)
        return self._outcome(row)

    async def _set(self, session: PlatformSession, row: Row[Any], status: ChargeStatus) -> Row[Any]:
        changed = update(sandbox_charge).where(sandbox_charge.c.id == row.id).values(status=status)
        return (await session.execute(changed.returning(sandbox_charge))).one()

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
        due = (table.id == key, table.status.in_(_WAITING), table.resolves_at <= self._clock())
        becomes = case(_AFTER, value=table.status)
        await session.execute(update(sandbox_charge).where(*due).values(status=becomes))
        return (await session.execute(select(sandbox_charge).where(table.id == key).with_for_update())).one_or_none()

    def _outcome(self, row: Row[Any]) -> Outcome:
        status = ChargeStatus(row.status)
        reason = "the sandbox declines this method" if status is ChargeStatus.DECLINED else None
        action = self._action(row) if status is ChargeStatus.ACTION_REQUIRED else None
        return Outcome(status, reference=str(row.id), action=action, reason=reason)

    def _action(self, row: Row[Any]) -> Action:
        """What is scanned is the page's address, too: a telephone's camera opens it."""
        kind = ActionKind.QR_CODE if row.method == Method.QR else ActionKind.REDIRECT
        return Action(kind, f"{self._page_url}/{row.id}", row.resolves_at)

    def told(self, body: bytes) -> Told | None:
        """What :func:`message` wrote."""
        try:
            document = orjson.loads(body)
            if not document["type"].startswith(EVENT):
                return None
            status = ChargeStatus(document["type"].removeprefix(EVENT))
            key, reason = UUID(document["data"]["payment"]), document["data"].get("reason")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MessageUnreadable(f"{type(error).__name__}: {error}"[:200]) from None
        if not isinstance(reason, str | None) or status not in _SAID:
            raise MessageUnreadable("its status or its reason is none of a webhook's")
        return Told(key, Outcome(status, reference=str(key), reason=_words(reason)))


def message(key: UUID, outcome: Outcome, at: datetime) -> bytes:
    """The body of the webhook that tells what became of a charge."""
    data = {"payment": str(key), "reason": outcome.reason}
    return orjson.dumps({"type": f"{EVENT}{outcome.status}", "timestamp": at.isoformat(), "data": data})


def _words(reason: str | None) -> str | None:
    """A reason in characters that can be kept and shown."""
    return "".join(filter(str.isprintable, reason or ""))[:LONGEST_REASON] or None


_CHARGED = insert(sandbox_charge).on_conflict_do_nothing().returning(sandbox_charge)
_SAID = (ChargeStatus.CAPTURED, ChargeStatus.DECLINED, ChargeStatus.CANCELLED)
_WAITING = (ChargeStatus.PENDING, ChargeStatus.ACTION_REQUIRED)
_AFTER = {ChargeStatus.PENDING: ChargeStatus.CAPTURED, ChargeStatus.ACTION_REQUIRED: ChargeStatus.CANCELLED}
_LASTS = {Method.DELAY: DELAY, Method.REDIRECT: ACTION_LASTS, Method.QR: ACTION_LASTS}
_FIRST_ANSWER = {
    Method.APPROVE: ChargeStatus.CAPTURED,
    Method.DECLINE: ChargeStatus.DECLINED,
    Method.ACTION: ChargeStatus.ACTION_REQUIRED,
    Method.REDIRECT: ChargeStatus.ACTION_REQUIRED,
    Method.QR: ChargeStatus.ACTION_REQUIRED,
    Method.DELAY: ChargeStatus.PENDING,
    Method.REFUND_FAIL: ChargeStatus.CAPTURED,
    Method.REFUND_SILENT: ChargeStatus.CAPTURED,
}
_WORST_FIRST = (Method.DECLINE, Method.ACTION, Method.REDIRECT, Method.QR, Method.DELAY, Method.APPROVE)


def _worst(methods: list[str]) -> Method:
    given = {Method(method) for method in methods}
    return next((method for method in _WORST_FIRST if method in given), Method.APPROVE)
