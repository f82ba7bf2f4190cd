"""Mail that waits to be sent: written in the transaction in which its people are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.mail import MailKind, MailStatus
from merchantry.tables.mail import mail
from tenancy.database import PlatformSession


@dataclass(frozen=True, slots=True)
class News:
    """An account, or a guest, is to be written to of the event with this number; ``id`` is made of both."""

    id: UUID
    account_id: UUID
    seq: int


_NEW = insert(mail)
NEWS = _NEW.on_conflict_do_nothing()
DIGEST = _NEW.on_conflict_do_update(
    index_elements=["id"],
    set_={"events": mail.c.events + _NEW.excluded.events},
    where=(mail.c.status == MailStatus.WAITING.value) & (mail.c.attempts == 0),
)


async def ask(session: PlatformSession, news: Sequence[News], now: datetime) -> None:
    """A mail for each, but for those that there are."""
    rows = [_row(each.id, each.account_id, MailKind.NEWS, [each.seq], now, now) for each in news]
    if rows:
        await session.execute(NEWS, rows)


async def ask_guests(session: PlatformSession, news: Sequence[News], now: datetime) -> None:
    """A mail to a guest for each, but for those that there are."""
    rows = [_row(each.id, each.account_id, MailKind.GUEST, [each.seq], now, now) for each in news]
    if rows:
        await session.execute(NEWS, rows)


async def ask_for_digest(session: PlatformSession, news: Sequence[News], due_at: datetime, now: datetime) -> None:
    """They are in the mail that each account gets at that moment."""
    by_account: dict[UUID, list[int]] = {}
    for each in news:
        by_account.setdefault(each.account_id, []).append(each.seq)
    at = due_at.timestamp()
    rows = [
        _row(uuid5(account_id, f"digest:{at:.0f}"), account_id, MailKind.DIGEST, seqs, due_at, now)
        for account_id, seqs in by_account.items()
    ]
    if rows:
        await session.execute(DIGEST, rows)


def _row(
    mail_id: UUID, account_id: UUID, kind: MailKind, seqs: list[int], next_at: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "id": mail_id,
        "account_id": account_id,
        "kind": kind.value,
        "events": seqs,
        "status": MailStatus.WAITING.value,
        "next_at": next_at,
        "created_at": now,
    }
