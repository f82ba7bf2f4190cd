"""What a merchant is told: rows of the transaction that made the news, so nothing is lost and nothing is untrue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, tuple_

from merchantry.domain.act import Act
from merchantry.tables.platform import notification
from tenancy.database import MerchantSession
from tenancy.writes import New, write


@dataclass(frozen=True, slots=True)
class Notification:
    """One piece of news; ``subject`` holds what it is about, by id."""

    id: UUID
    kind: str
    subject: dict[str, Any]
    created_at: datetime

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.created_at, self.id


async def notify(session: MerchantSession, kind: str, subject: Mapping[str, Any], act: Act) -> None:
    """Tell the merchant of the session. ``kind`` is a noun and a past tense (``order.created``)."""
    await write(session, row(session.merchant_id, kind, subject, act))


def row(merchant_id: UUID, kind: str, subject: Mapping[str, Any], act: Act) -> New:
    """What :func:`notify` writes, to be written together with what is new (``services.outbox`` does)."""
    values = {
        "merchant_id": merchant_id,
        "id": uuid4(),
        "kind": str(kind),
        "subject": dict(subject),
        "created_at": act.booked_at,
    }
    return New(notification, values)


async def find(session: MerchantSession, notification_id: UUID) -> Notification | None:
    """One piece of the merchant's news."""
    table = notification.c
    statement = select(table.id, table.kind, table.subject, table.created_at).where(
        table.merchant_id == session.merchant_id, table.id == notification_id
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    return Notification(**row) if row else None


async def notifications(
    session: MerchantSession, first: int, after: tuple[datetime, UUID] | None = None
) -> list[Notification]:
    """The merchant's news, newest first, up to ``first + 1``."""
    table = notification.c
    statement = (
        select(table.id, table.kind, table.subject, table.created_at)
        .where(table.merchant_id == session.merchant_id)
        .order_by(table.created_at.desc(), table.id.desc())
        .limit(first + 1)
    )
    if after is not None:
        statement = statement.where(tuple_(table.created_at, table.id) < after)
    return [Notification(**row) for row in (await session.execute(statement)).mappings()]
