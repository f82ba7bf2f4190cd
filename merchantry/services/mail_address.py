"""Where people are written to: at an address that they gave and confirmed, or, staff, at their account's.

What they gave is sealed as contacts are, with the secret that signs the account's links; erasure destroys both.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.mail import SECRET_BYTES, AddressStatus, MailKind, MailStatus
from merchantry.services import contact
from merchantry.services.vault import Vault
from merchantry.tables.contact import contact_key
from merchantry.tables.mail import mail, mail_address
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession
from tenancy.tables import account
from tenancy.writes import New, write

MOST_CONFIRMATIONS: Final = 5
"""Mails that an account can have sent to addresses which nobody has confirmed, in a day."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an account is written to. ``is_own``: it was given, and is not the account's."""

    email: str = field(repr=False)
    status: AddressStatus
    is_own: bool


async def find(session: PlatformSession, vault: Vault, account_id: UUID) -> Address | None:
    """Where the account is written to; None where that is not known. Raises VaultError."""
    row = await _row(session, account_id)
    if row is None or (row.set_at is None and row.email is None):
        return None
    if row.set_at is None:
        is_refused = row.refused == row.email
        return Address(row.email, AddressStatus.REFUSED if is_refused else AddressStatus.CONFIRMED, is_own=False)
    opened = await contact.of_mail(session, vault, account_id)
    if opened.address is None:
        return None
    status = AddressStatus.CONFIRMED if row.confirmed_at else AddressStatus.UNCONFIRMED
    return Address(opened.address["email"], AddressStatus.REFUSED if row.refused_at else status, is_own=True)


async def reachable(session: PlatformSession, account_ids: Collection[UUID]) -> set[UUID]:
    """Those of the accounts that can be written to."""
    table = mail_address.c
    own = and_(table.confirmed_at.is_not(None), table.refused_at.is_(None))
    of_account = and_(
        table.set_at.is_(None), account.c.email.is_not(None), table.refused.is_distinct_from(account.c.email)
    )
    found = select(account.c.id).outerjoin(mail_address, table.account_id == account.c.id)
    mine = account.c.id == func.any(list(account_ids))
    return set((await session.execute(found.where(mine, or_(own, of_account)))).scalars())


async def give(session: PlatformSession, vault: Vault, account_id: UUID, email: str | None, act: Act) -> None:
    """Write to the account there once it is confirmed; None: to no address that it gave. Raises InvalidInput."""
    await session.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())
    known = await find(session, vault, account_id)
    if email is None:
        await _end_waiting(session, account_id, MailStatus.DROPPED, act.booked_at)
        await _destroy(session, account_id)
        return
    if known and known.is_own and known.email == email and known.status is AddressStatus.CONFIRMED:
        return
    await _check_confirmations(session, account_id, act.booked_at)
    await _end_waiting(session, account_id, MailStatus.DROPPED, act.booked_at, MailKind.CONFIRMATION)
    await _store(session, vault, account_id, email, act)
    row = {
        "id": uuid4(),
        "account_id": account_id,
        "kind": MailKind.CONFIRMATION.value,
        "events": [],
        "status": MailStatus.WAITING.value,
        "next_at": act.booked_at,
        "created_at": act.booked_at,
    }
    await write(session, New(mail, row))


async def confirm(session: PlatformSession, account_id: UUID, now: datetime) -> None:
    """The address that the account gave is whose it says."""
    given = and_(mail_address.c.account_id == account_id, mail_address.c.set_at.is_not(None))
    unconfirmed = and_(given, mail_address.c.confirmed_at.is_(None))
    await session.execute(update(mail_address).where(unconfirmed).values(confirmed_at=now))


async def refuse(session: PlatformSession, account_id: UUID, address: Address, now: datetime) -> None:
    """A mail server knows no such address: nothing is sent there any more."""
    values = {"refused_at": now, "refused": None if address.is_own else address.email}
    await session.execute(update(mail_address).where(mail_address.c.account_id == account_id).values(values))
    await _end_waiting(session, account_id, MailStatus.BAD_ADDRESS, now)


async def forget(session: PlatformSession, account_id: UUID) -> None:
    """Nothing is left of the address that the account gave, nor of its mail; its links end."""
    await session.execute(delete(mail).where(mail.c.account_id == account_id))
    await _destroy(session, account_id)


async def secret_of(session: PlatformSession, vault: Vault, account_id: UUID) -> bytes | None:
    """What signs the account's links; None where it has none. Raises VaultError."""
    opened = await contact.of_mail(session, vault, account_id)
    return None if opened.address is None else bytes.fromhex(opened.address["secret"])


async def secret_for(session: PlatformSession, vault: Vault, account_id: UUID, act: Act) -> bytes:
    """What signs the account's links, made where it has none. Raises VaultError."""
    await session.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())
    found = await secret_of(session, vault, account_id)
    return found or await _store(session, vault, account_id, None, act)


async def _store(session: PlatformSession, vault: Vault, account_id: UUID, email: str | None, act: Act) -> bytes:
    secret = await secret_of(session, vault, account_id) or secrets.token_bytes(SECRET_BYTES)
    content = {"secret": secret.hex(), **({"email": email} if email else {})}
    sealed = await contact.seal_for(session, vault, content, act, table="mail_address", row_id=account_id)
    row = {"account_id": account_id, "contact": sealed.contact, "set_at": act.booked_at if email else None}
    new = insert(mail_address).values(row)
    changed = {"contact": sealed.contact, "set_at": row["set_at"]}
    nothing_said = {"confirmed_at": None, "refused_at": None, "refused": None}
    await session.execute(new.on_conflict_do_update(index_elements=["account_id"], set_=changed | nothing_said))
    await _destroy_key(session, account_id)
    await write(session, sealed.key)
    return secret


async def _destroy(session: PlatformSession, account_id: UUID) -> None:
    await session.execute(delete(mail_address).where(mail_address.c.account_id == account_id))
    await _destroy_key(session, account_id)


async def _destroy_key(session: PlatformSession, account_id: UUID) -> None:
    keys = contact_key.c
    await session.execute(delete(contact_key).where(keys.merchant_id == NOBODY, keys.subject_id == account_id))


async def _check_confirmations(session: PlatformSession, account_id: UUID, now: datetime) -> None:
    table = mail.c
    asked = select(func.count()).where(
        table.account_id == account_id,
        table.kind == MailKind.CONFIRMATION.value,
        table.created_at > now - timedelta(days=1),
    )
    if await session.scalar(asked) >= MOST_CONFIRMATIONS:
        raise InvalidInput(reason="You gave several addresses today: try again tomorrow.", path=("input", "email"))


async def _end_waiting(
    session: PlatformSession, account_id: UUID, status: MailStatus, now: datetime, *kinds: MailKind
) -> None:
    table = mail.c
    statement = update(mail).where(table.account_id == account_id, table.status == MailStatus.WAITING.value)
    if kinds:
        statement = statement.where(table.kind.in_(kinds))
    ended = {"status": status.value, "next_at": None, "leased_until": None, "ended_at": now}
    await session.execute(statement.values(ended))


async def _row(session: PlatformSession, account_id: UUID) -> Row[Any] | None:
    table = mail_address.c
    columns = (account.c.email, table.set_at, table.confirmed_at, table.refused_at, table.refused)
    found = select(*columns).select_from(account.outerjoin(mail_address, table.account_id == account.c.id))
    return (await session.execute(found.where(account.c.id == account_id))).one_or_none()
