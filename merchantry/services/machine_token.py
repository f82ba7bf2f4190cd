"""Tokens of machines: ERPs and other programs that act for one merchant, or for the platform, with rights of their own.

A token's rights are its scopes, whatever becomes of who made it: a program doesn't stop because somebody leaves. So
nobody can give more than they have themselves, and who made it stays to be seen.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, exists, func, insert, or_, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import FOR_PEOPLE, Permission
from merchantry.domain.worded import Worded
from merchantry.services import audit
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession
from tenancy.directory import announce
from tenancy.machine_tokens import new_token
from tenancy.tables import account, machine_token, membership, merchant, platform_role

MAX_NAME = 100
MAX_TOKENS = 100
"""At once, of one merchant or of the platform."""
LONGEST_OVERLAP = timedelta(days=7)

_table = machine_token.c


@dataclass(frozen=True, slots=True)
class MachineToken:
    """A token as it is shown: never its secret. ``made_by_staff`` says whether who made it still has a role there."""

    id: UUID
    merchant_id: UUID | None
    name: str
    scopes: tuple[Permission, ...]
    created_by: UUID
    created_by_email: str | None
    made_by_staff: bool
    created_at: datetime
    expires_at: datetime | None
    rotated_at: datetime | None
    previous_until: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewMachineToken:
    """A token to be. ``merchant_id`` is None for one of the platform."""

    merchant_id: UUID | None
    name: str
    scopes: frozenset[Permission]
    expires_at: datetime | None

    def check(self, held: Collection[Permission], at: datetime) -> None:
        """Raises InvalidInput, and NotPermitted for a scope that its maker does not hold."""
        if not 0 < len(self.name.strip()) <= MAX_NAME or not self.name.isprintable():
            raise InvalidInput(reason=Worded("Give a name of 1 to {most} characters.", most=MAX_NAME), path=("name",))
        if self.expires_at is not None and self.expires_at <= at:
            raise InvalidInput(reason="Give a moment in the future, or none.", path=("expires_at",))
        if not self.scopes:
            raise InvalidInput(reason="Name at least one permission.", path=("scopes",))
        for scope in sorted(self.scopes):
            if scope in FOR_PEOPLE or scope.startswith("platform.") != (self.merchant_id is None):
                raise InvalidInput(
                    reason=Worded("{scope} is not for a machine's token here.", scope=scope), path=("scopes",)
                )
            if scope not in held:
                raise NotPermitted(permission=scope, path=("scopes",))


async def create(
    session: PlatformSession, new: NewMachineToken, held: Collection[Permission], account_id: UUID, act: Act
) -> tuple[MachineToken, str]:
    """Make a token; the text is shown this once. Raises InvalidInput, NotPermitted."""
    new.check(held, act.booked_at)
    await _require_room(session, new.merchant_id)
    token_id = uuid4()
    text, secret_hash = new_token(token_id)
    row = {
        "id": token_id,
        "merchant_id": new.merchant_id,
        "name": new.name,
        "scopes": sorted(new.scopes),
        "secret_hash": secret_hash,
        "created_by": account_id,
        "created_at": act.at,
        "expires_at": new.expires_at,
    }
    await session.execute(insert(machine_token), row)
    ends = new.expires_at.isoformat() if new.expires_at else None
    after = {"name": new.name, "scopes": sorted(new.scopes), "expires_at": ends}
    await audit.record(session, new.merchant_id or NOBODY, act, "machine_token.create", str(token_id), None, after)
    return await find(session, new.merchant_id, token_id), text


async def rotate(
    session: PlatformSession, merchant_id: UUID | None, token_id: UUID, overlap: timedelta, act: Act
) -> tuple[MachineToken, str]:
    """Give a token a new secret, shown this once; the one before counts for ``overlap`` yet, any older no more.

    Raises NotFound, InvalidInput for another overlap than up to a week, and where the token has ended.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput(reason="Give an overlap of 0 seconds to 7 days.", path=("overlap_seconds",))
    old_hash = await _lock(session, merchant_id, token_id, act)
    text, secret_hash = new_token(token_id)
    until = act.booked_at + overlap
    changed = update(machine_token).where(_table.id == token_id)
    await session.execute(
        changed.values(secret_hash=secret_hash, previous_hash=old_hash, previous_until=until, rotated_at=act.at)
    )
    after = {"previous_until": until.isoformat()}
    await audit.record(session, merchant_id or NOBODY, act, "machine_token.rotate", str(token_id), None, after)
    await announce(session, token_id)
    return await find(session, merchant_id, token_id), text


async def revoke(session: PlatformSession, merchant_id: UUID | None, token_id: UUID, act: Act) -> MachineToken:
    """End a token at once; one that has ended stays as it is. Raises NotFound."""
    changed = update(machine_token).where(_table.id == token_id, _of(merchant_id), _table.revoked_at.is_(None))
    if (await session.execute(changed.values(revoked_at=act.at))).rowcount:
        await audit.record(session, merchant_id or NOBODY, act, "machine_token.revoke", str(token_id))
        await announce(session, token_id)
    return await find(session, merchant_id, token_id)


async def find(session: PlatformSession, merchant_id: UUID | None, token_id: UUID) -> MachineToken:
    """One of the merchant's, or, for None, of the platform's. Raises NotFound."""
    row = (await session.execute(_shown(merchant_id).where(_table.id == token_id))).one_or_none()
    if row is None:
        raise NotFound(what="machine token", path=("token_id",))
    return _from_row(row)


async def tokens(
    session: PlatformSession, merchant_id: UUID | None, limit: int, after: tuple[datetime, UUID] | None
) -> list[MachineToken]:
    """The merchant's, or the platform's, newest first, those that have ended among them."""
    statement = _shown(merchant_id).order_by(_table.created_at.desc(), _table.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(_table.created_at, _table.id) < after)
    return [_from_row(row) for row in await session.execute(statement)]


def _of(merchant_id: UUID | None) -> ColumnElement[bool]:
    return _table.merchant_id.is_(None) if merchant_id is None else _table.merchant_id == merchant_id


def _shown(merchant_id: UUID | None) -> Any:
    roles = platform_role if merchant_id is None else membership
    works_there = roles.c.account_id == _table.created_by
    if merchant_id is not None:
        works_there &= membership.c.merchant_id == merchant_id
    names = ("id", "merchant_id", "name", "scopes", "created_by", "created_at", "expires_at", "rotated_at")
    columns = [_table[name] for name in (*names, "previous_until", "revoked_at", "last_used_at")]
    return (
        select(
            *columns,
            account.c.email.label("created_by_email"),
            exists().where(works_there).label("made_by_staff"),
        )
        .join(account, account.c.id == _table.created_by)
        .where(_of(merchant_id))
    )


def _from_row(row: Any) -> MachineToken:
    fields = row._asdict()
    return MachineToken(**{**fields, "scopes": tuple(map(Permission, fields["scopes"]))})


async def _require_room(session: PlatformSession, merchant_id: UUID | None) -> None:
    """Whoever makes one holds the merchant's row, or the platform's lock, so that two don't pass together."""
    if merchant_id is None:
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("machine_token"))))
    else:
        await session.execute(select(merchant.c.id).where(merchant.c.id == merchant_id).with_for_update())
    alive = _of(merchant_id) & _table.revoked_at.is_(None)
    count = await session.scalar(select(func.count()).select_from(machine_token).where(alive))
    if count >= MAX_TOKENS:
        raise InvalidInput(reason=Worded("There are {most} tokens; revoke one first.", most=MAX_TOKENS), path=("name",))


async def _lock(session: PlatformSession, merchant_id: UUID | None, token_id: UUID, act: Act) -> bytes:
    alive = _table.revoked_at.is_(None) & or_(_table.expires_at.is_(None), _table.expires_at > act.booked_at)
    wanted = select(_table.secret_hash, alive.label("is_alive")).where(_table.id == token_id, _of(merchant_id))
    row = (await session.execute(wanted.with_for_update())).one_or_none()
    if row is None:
        raise NotFound(what="machine token", path=("token_id",))
    if not row.is_alive:
        raise InvalidInput(reason="This token has ended; make a new one.", path=("token_id",))
    return bytes(row.secret_hash)
