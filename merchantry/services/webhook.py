"""Where webhooks go: endpoints of a merchant, or of the platform, each with secrets of its own that sign what is sent.

A merchant's session sees and changes its merchant's endpoints, the platform's those of the platform itself. An endpoint
works on whatever becomes of who made it, so nobody chooses kinds of events of which they are not told themselves.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, delete, func, select, tuple_, update
from sqlalchemy.engine import Row

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.domain.webhook import (
    LONGEST_OVERLAP,
    SECRET_BYTES,
    DisabledBy,
    EndpointStatus,
    check_kinds,
    secret_text,
)
from merchantry.domain.worded import Worded
from merchantry.services import audit, outbox
from merchantry.services.vault import Owner, Vault, owner_of
from merchantry.tables.platform import NOBODY
from merchantry.tables.webhook import webhook_endpoint, webhook_secret
from tenancy.database import PlatformSession
from tenancy.writes import Changed, Gone, New, Write, write

MAX_ENDPOINTS: Final = 20
"""Of one merchant, or of the platform."""
MAX_DESCRIPTION: Final = 200
MAX_REASON: Final = 500
SEALED: Final = {"table": webhook_secret.name, "column": webhook_secret.c.sealed.name}
"""What a sealed secret is bound to, beside merchant and row."""

_table = webhook_endpoint.c
_secret = webhook_secret.c


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as people see it. ``kinds`` is None for all; ``failing_since`` the first failure since a success."""

    id: UUID
    url: str
    description: str
    kinds: tuple[EventKind, ...] | None
    status: EndpointStatus
    disabled_by: DisabledBy | None
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    created_by: str
    secret_made_at: datetime
    previous_secret_until: datetime | None

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.created_at, self.id


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint as it is to be. The URL was checked by ``gateways.webhook.Reach``, which looks names up."""

    url: str
    description: str
    kinds: frozenset[EventKind] | None

    def check(self, held: Collection[Permission], *, of_platform: bool) -> None:
        """Raises InvalidInput, and NotPermitted for kinds of which whoever asks is not told."""
        if self.description:
            check_text(self.description, MAX_DESCRIPTION, ("description",))
        check_kinds(self.kinds, held, of_platform=of_platform)

    @property
    def row(self) -> dict[str, Any]:
        """As it is stored."""
        kinds = None if self.kinds is None else sorted(self.kinds)
        return {"url": self.url, "description": self.description.strip(), "kinds": kinds}


async def create(
    session: Owner, vault: Vault, wanted: Wanted, held: Collection[Permission], act: Act
) -> tuple[Endpoint, str]:
    """Take an endpoint into use, for events from now on; the secret is shown this once.

    Raises InvalidInput, NotPermitted, VaultError.
    """
    wanted.check(held, of_platform=_of_platform(session))
    await _require_room(session)
    endpoint_id, owner = uuid4(), owner_of(session)
    row = {
        "id": endpoint_id,
        "merchant_id": owner,
        **wanted.row,
        "status": EndpointStatus.ENABLED.value,
        "since_seq": await outbox.newest(session),
        "created_at": act.booked_at,
        "created_by": act.actor,
    }
    await write(session, New(webhook_endpoint, row), _noted(session, act, "create", endpoint_id, None, wanted.row))
    secret = await _add_secret(session, vault, endpoint_id, act)
    return await find(session, endpoint_id), secret


async def change(session: Owner, endpoint_id: UUID, wanted: Wanted, held: Collection[Permission], act: Act) -> Endpoint:
    """Another URL, description or choice of kinds, for whatever is sent from now on.

    Raises NotFound, InvalidInput, NotPermitted.
    """
    found = await _locked(session, endpoint_id)
    wanted.check(held, of_platform=_of_platform(session))
    before = {"url": found.url, "description": found.description, "kinds": found.kinds}
    row = wanted.row
    if row["url"] != found.url:
        row |= {"failures": 0, "failing_since": None, "paused_until": None}
    changed = Changed(webhook_endpoint, {"id": endpoint_id}, row)
    await write(session, changed, _noted(session, act, "update", endpoint_id, before, wanted.row))
    return await find(session, endpoint_id)


async def remove(session: Owner, endpoint_id: UUID, act: Act) -> None:
    """Send nothing to it any more, and forget what was sent. Raises NotFound."""
    found = await _locked(session, endpoint_id)
    gone = Gone(webhook_endpoint, {"id": endpoint_id})
    await write(session, gone, _noted(session, act, "delete", endpoint_id, {"url": found.url}, None))


async def disable(session: Owner, endpoint_id: UUID, reason: str, act: Act) -> Endpoint:
    """Send nothing to it until it is enabled; what waits, waits. One that is disabled stays as it is.

    Raises NotFound, InvalidInput.
    """
    check_text(reason, MAX_REASON, ("reason",))
    found = await _locked(session, endpoint_id)
    if found.status == EndpointStatus.ENABLED:
        row = {"disabled_by": DisabledBy.PERSON.value, "disabled_reason": reason.strip()}
        row |= {"status": EndpointStatus.DISABLED.value}
        changed = Changed(webhook_endpoint, {"id": endpoint_id}, row)
        await write(session, changed, _noted(session, act, "disable", endpoint_id, None, row))
    return await find(session, endpoint_id)


async def enable(session: Owner, endpoint_id: UUID, act: Act) -> Endpoint:
    """Send to it again: what waits, and what happens from now on; what happened meanwhile is not sent.

    Raises NotFound.
    """
    found = await _locked(session, endpoint_id)
    if found.status == EndpointStatus.DISABLED:
        row = dict.fromkeys(("disabled_by", "disabled_reason", "failing_since", "paused_until"))
        anew = {"status": EndpointStatus.ENABLED.value, "failures": 0, "since_seq": await outbox.newest(session)}
        changed = Changed(webhook_endpoint, {"id": endpoint_id}, {**row, **anew})
        before = {"disabled_by": found.disabled_by}
        await write(session, changed, _noted(session, act, "enable", endpoint_id, before, None))
    return await find(session, endpoint_id)


async def rotate_secret(
    session: Owner, vault: Vault, endpoint_id: UUID, overlap: timedelta, act: Act
) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret, shown this once; the one before signs too for ``overlap`` yet, any older no more.

    Raises NotFound, VaultError, InvalidInput for another overlap than up to a week.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput(reason="Give an overlap of 0 seconds to 7 days.", path=("overlap_seconds",))
    await _locked(session, endpoint_id)
    of_it = webhook_secret.c.endpoint_id == endpoint_id
    await session.execute(delete(webhook_secret).where(of_it, _secret.expires_at.is_not(None)))
    until = act.booked_at + overlap
    await session.execute(update(webhook_secret).where(of_it).values(expires_at=until))
    secret = await _add_secret(session, vault, endpoint_id, act)
    after = {"previous_until": until.isoformat()}
    await write(session, _noted(session, act, "rotate_secret", endpoint_id, None, after))
    return await find(session, endpoint_id), secret


async def secrets_of(session: Owner, vault: Vault, endpoint_id: UUID, at: datetime) -> list[bytes]:
    """What something is signed with at a moment, the newest first. Raises VaultError."""
    alive = _secret.expires_at.is_(None) | (_secret.expires_at > at)
    wanted = select(_secret.id, _secret.sealed).where(
        _secret.endpoint_id == endpoint_id, _secret.merchant_id == owner_of(session), alive
    )
    rows = (await session.execute(wanted.order_by(_secret.expires_at.is_not(None)))).all()
    return [await vault.open(session, bytes(row.sealed), row_id=row.id, **SEALED) for row in rows]


async def find(session: Owner, endpoint_id: UUID) -> Endpoint:
    """One of the session's own. Raises NotFound."""
    row = (await session.execute(_shown(session).where(_table.id == endpoint_id))).one_or_none()
    if row is None:
        raise _missing()
    return _from_row(row)


async def endpoints(session: Owner, limit: int, after: tuple[datetime, UUID] | None) -> list[Endpoint]:
    """The session's own, newest first."""
    statement = _shown(session).order_by(_table.created_at.desc(), _table.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(_table.created_at, _table.id) < after)
    return [_from_row(row) for row in await session.execute(statement)]


def _of_platform(session: Owner) -> bool:
    return owner_of(session) == NOBODY


def _own(session: Owner) -> ColumnElement[bool]:
    return _table.merchant_id == owner_of(session)


def _shown(session: Owner) -> Select[Any]:
    names = ("id", "url", "description", "kinds", "status", "disabled_by", "disabled_reason", "failing_since")
    of_it = _secret.endpoint_id == _table.id
    newest = select(func.max(_secret.created_at)).where(of_it).scalar_subquery()
    until = select(func.max(_secret.expires_at)).where(of_it).scalar_subquery()
    return select(
        *(_table[name] for name in (*names, "created_at", "created_by")),
        newest.label("secret_made_at"),
        until.label("previous_secret_until"),
    ).where(_own(session))


def _from_row(row: Row[Any]) -> Endpoint:
    fields = row._asdict()
    kinds = None if row.kinds is None else tuple(EventKind(kind) for kind in row.kinds)
    made: dict[str, Any] = {"kinds": kinds, "status": EndpointStatus(row.status)}
    made["disabled_by"] = DisabledBy(row.disabled_by) if row.disabled_by else None
    return Endpoint(**{**fields, **made})


def _missing() -> NotFound:
    return NotFound(what="webhook endpoint", path=("endpoint_id",))


async def _locked(session: Owner, endpoint_id: UUID) -> Row[Any]:
    wanted = select(webhook_endpoint).where(_table.id == endpoint_id, _own(session)).with_for_update()
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise _missing()
    return row


async def _require_room(session: Owner) -> None:
    """Whoever makes one holds a lock, so that two don't pass together."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"webhook_endpoint {owner_of(session)}"))))
    count = await session.scalar(select(func.count()).select_from(webhook_endpoint).where(_own(session)))
    if count >= MAX_ENDPOINTS:
        raise InvalidInput(
            reason=Worded("There are {most} endpoints; delete one first.", most=MAX_ENDPOINTS), path=("url",)
        )


async def _add_secret(session: Owner, vault: Vault, endpoint_id: UUID, act: Act) -> str:
    secret, secret_id = os.urandom(SECRET_BYTES), uuid4()
    row = {
        "id": secret_id,
        "merchant_id": owner_of(session),
        "endpoint_id": endpoint_id,
        "sealed": await vault.seal(session, secret, act, row_id=secret_id, **SEALED),
        "created_at": act.booked_at,
    }
    await write(session, New(webhook_secret, row))
    return secret_text(secret)


def _noted(
    session: Owner, act: Act, verb: str, endpoint_id: UUID, before: audit.Facts | None, after: audit.Facts | None
) -> Write:
    what = f"webhook_endpoint.{verb}"
    return audit.event(session, owner_of(session), act, what, str(endpoint_id), before, after)


async def tell_disabled(
    session: PlatformSession, merchant_id: UUID, endpoint_id: UUID, by: DisabledBy, act: Act
) -> None:
    """Write down, and tell its owner, that an endpoint was disabled by what it answered."""
    facts = {"webhook_endpoint": endpoint_id, "reason": by.value}
    told = outbox.published(session, EventKind.WEBHOOK_DISABLED, facts, act, merchant_id=merchant_id)
    after = {"disabled_by": by.value}
    noted = audit.event(session, merchant_id, act, "webhook_endpoint.disable", str(endpoint_id), None, after)
    await write(session, *told, noted)
