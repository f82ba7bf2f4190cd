"""Merchants, accounts and machines' tokens, cached in the process and kept fresh by NOTIFY.

The cache is used only while the process hears its own notifications, which it proves every few seconds; otherwise
every look-up asks the database. So a lost connection costs time, and shows a suspended merchant as active for seconds
at most. Whoever holds a connection open for a caller is woken by what changes about them.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

import psycopg
import structlog
from psycopg import sql
from sqlalchemy import Uuid, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from tenancy.database import Database, PlatformSession
from tenancy.machine_tokens import GUEST_PREFIX, KeptToken, SecretUnknown, parse_token
from tenancy.machine_uses import Uses
from tenancy.metrics import LISTENER_FRESH
from tenancy.principals import Guest, Machine, Merchant, Principal
from tenancy.tables import account, guest, machine_token, membership, merchant, platform_role
from tenancy.tokens import TokenRefused

CHANNEL = "merchantry_directory"
ACTOR = "directory"
MAX_CACHED = 20_000
PROBE = "probe "
PROBE_SECONDS = 3.0
"""How long a dead connection can go unnoticed: twice this."""
RETRY_SECONDS = 1.0
NO_HASH = bytes(32)

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger()


class Directory:
    """Who is who. One per process; :meth:`listening` keeps its cache fresh while the process serves."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock
        self._merchants: dict[str, Merchant | None] = {}
        self._principals: dict[tuple[str, str], Principal] = {}
        self._machines: dict[UUID, KeptToken | None] = {}
        self._watched: dict[asyncio.Event, frozenset[UUID]] = {}
        self._uses = Uses(database, clock)
        self._fresh = False
        self._generation = 0

    async def merchant_by_slug(self, slug: str) -> Merchant | None:
        """The merchant of this slug whatever its status, or None."""
        if self._fresh and slug in self._merchants:
            return self._merchants[slug]
        generation = self._generation
        async with self._database.read(ACTOR) as tx, tx.as_platform() as session:
            found = await merchant_by_slug(session, slug)
        self._remember(self._merchants, slug, found, generation)
        return found

    async def principal(self, issuer: str, subject: str, email: str | None) -> Principal:
        """The account of this subject with its rights; made on first sight."""
        key = (issuer, subject)
        if self._fresh and key in self._principals:
            return self._principals[key]
        generation = self._generation
        async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
            account_id = await account_of(session, issuer, subject, None, at=datetime.now(UTC))
            found = await _principal(session, account_id)
            if email is not None and (found.memberships or found.platform_roles):
                await _note_email(session, account_id, email)
        self._remember(self._principals, key, found, generation)
        return found

    async def machine(self, token: str) -> Principal:
        """The principal of a machine's token. Raises TokenRefused."""
        parsed = parse_token(token)
        if parsed is None:
            raise TokenRefused("malformed")
        kept = await self._kept(parsed[0])
        if kept is None:
            raise TokenRefused("of no machine")
        try:
            ends_at = kept.ends_at(parsed[1])
        except SecretUnknown:
            raise TokenRefused("of no machine") from None
        if ends_at is not None and ends_at <= self._clock():
            raise TokenRefused("expired")
        self._uses.note(kept.id)
        machine = Machine(kept.id, kept.name, ends_at)
        if kept.merchant_id is None:
            return Principal(None, {}, kept.scopes, machine)
        return Principal(None, {kept.merchant_id: kept.scopes}, frozenset(), machine)

    async def guest(self, token: str) -> Principal:
        """The principal of a guest's token, which the database is asked for each time. Raises TokenRefused."""
        async with self._database.read(ACTOR) as tx, tx.as_platform() as session:
            found = await guest_of(session, token, self._clock())
        if found is None:
            raise TokenRefused("of no guest")
        return Principal(found.id, {}, frozenset(), guest=found)

    async def _kept(self, token_id: UUID) -> KeptToken | None:
        if self._fresh and token_id in self._machines:
            return self._machines[token_id]
        generation = self._generation
        async with self._database.read(ACTOR) as tx, tx.as_platform() as session:
            found = await _kept_token(session, token_id)
        self._remember(self._machines, token_id, found, generation)
        return found

    @contextmanager
    def watching(self, principal: Principal, merchant: Merchant | None) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about them may have changed; every second where nothing is heard.

        Whoever is woken clears it and identifies the caller anew.
        """
        woken = asyncio.Event()
        self._watched[woken] = frozenset(filter(None, (principal.key, merchant.id if merchant else None)))
        try:
            yield woken
        finally:
            del self._watched[woken]

    @asynccontextmanager
    async def listening(self, others: Mapping[str, Callable[[str], None]] | None = None) -> AsyncIterator[None]:
        """Cache look-ups while the block runs. ``others`` are told what is said on their channels, by channel: one
        connection listens for the whole process."""
        task = asyncio.create_task(self._listen(others or {}))
        try:
            async with self._uses.written():
                yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self, others: Mapping[str, Callable[[str], None]]) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._database.logins.listen, autocommit=True)
                async with connection:
                    for channel in (CHANNEL, *others):
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    while await self._heard(connection, others):
                        pass
                log.warning("directory.listener_deaf")
            except (psycopg.Error, TimeoutError) as error:
                log.warning("directory.listener_lost", error=type(error).__name__)
            finally:
                self._fresh = False
                LISTENER_FRESH.set(0)
            self._wake()
            await asyncio.sleep(RETRY_SECONDS)

    async def _heard(
        self, connection: psycopg.AsyncConnection[object], others: Mapping[str, Callable[[str], None]]
    ) -> bool:
        """Listen for a while, and to a probe of our own first: a pooler or a dead line may swallow what others say."""
        probe, heard = f"{PROBE}{uuid4()}", False
        async with asyncio.timeout(2 * PROBE_SECONDS):
            await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, probe])
            async for notice in connection.notifies(timeout=PROBE_SECONDS):
                if notice.channel != CHANNEL:
                    others[notice.channel](notice.payload)
                elif notice.payload == probe:
                    heard = True
                    if not self._fresh:
                        self._forget()
                        self._fresh = True
                        LISTENER_FRESH.set(1)
                        self._wake()
                elif not notice.payload.startswith(PROBE):
                    self._forget()
                    self._wake(_ids_in(notice.payload))
        return heard

    def _wake(self, changed: Collection[UUID] = ()) -> None:
        """Wake who watches one of these, or everybody where it is not known what changed."""
        for woken, ids in self._watched.items():
            if not changed or not ids.isdisjoint(changed):
                woken.set()

    def _remember(self, cache: dict[K, V], key: K, value: V, generation: int) -> None:
        """Keep a look-up, unless something changed while it ran."""
        if generation != self._generation:
            return
        if len(cache) >= MAX_CACHED:
            cache.clear()
        cache[key] = value

    def _forget(self) -> None:
        self._generation += 1
        self._merchants.clear()
        self._principals.clear()
        self._machines.clear()


async def merchant_by_slug(session: PlatformSession, slug: str) -> Merchant | None:
    """The merchant of this slug whatever its status, or None."""
    statement = select(merchant.c.id, merchant.c.slug, merchant.c.status).where(merchant.c.slug == slug)
    row = (await session.execute(statement)).one_or_none()
    return Merchant(row.id, row.slug, row.status) if row else None


async def account_of(session: PlatformSession, issuer: str, subject: str, email: str | None, *, at: datetime) -> UUID:
    """The account of an issuer's subject, made where it is new. An address is given of staff only."""
    known = select(account.c.id).where(account.c.issuer == issuer, account.c.subject == subject)
    found: UUID | None = await session.scalar(known)
    if found:
        return found
    row = {"id": uuid4(), "issuer": issuer, "subject": subject, "email": email, "created_at": at}
    await session.execute(insert(account).values(row).on_conflict_do_nothing())
    made: UUID = await session.scalar(known)
    return made


async def _note_email(session: PlatformSession, account_id: UUID, email: str) -> None:
    """Staff are shown by their addresses; those of buyers are not kept, since every token brings them along."""
    changed = account.c.email.is_distinct_from(email)
    await session.execute(update(account).where(account.c.id == account_id, changed).values(email=email))


async def accounts_of(
    session: PlatformSession, issuer: str, subjects: Collection[str], *, at: datetime
) -> dict[str, UUID]:
    """The accounts of many subjects of one issuer, made where they are new, in two statements."""
    wanted = sorted(set(subjects))
    rows = [{"id": uuid4(), "issuer": issuer, "subject": subject, "created_at": at} for subject in wanted]
    if rows:
        await session.execute(insert(account).on_conflict_do_nothing(), rows)
    known = select(account.c.subject, account.c.id)
    found = await session.execute(known.where(account.c.issuer == issuer, account.c.subject == func.any(wanted)))
    return {row.subject: row.id for row in found}


async def _principal(session: PlatformSession, account_id: UUID) -> Principal:
    rows = await session.execute(
        select(membership.c.merchant_id, membership.c.role)
        .where(membership.c.account_id == account_id)
        .union_all(select(null().cast(Uuid), platform_role.c.role).where(platform_role.c.account_id == account_id))
    )
    memberships: dict[UUID, set[str]] = {}
    platform_roles = set()
    for row in rows:
        if row.merchant_id is None:
            platform_roles.add(row.role)
        else:
            memberships.setdefault(row.merchant_id, set()).add(row.role)
    return Principal(account_id, {m: frozenset(roles) for m, roles in memberships.items()}, frozenset(platform_roles))


async def _kept_token(session: PlatformSession, token_id: UUID) -> KeptToken | None:
    columns = [machine_token.c[name] for name in KeptToken.__slots__]
    row = (await session.execute(select(*columns).where(machine_token.c.id == token_id))).one_or_none()
    return KeptToken(**{**row._asdict(), "scopes": frozenset(row.scopes)}) if row else None


async def guest_of(session: PlatformSession, token: str, at: datetime) -> Guest | None:
    """Whose token this is; None for one that has ended, was claimed or never was. One statement for each alike."""
    parsed = parse_token(token, GUEST_PREFIX)
    if parsed is None:
        return None
    table = guest.c
    statement = select(table.secret_hash, table.expires_at, table.claimed_at).where(table.id == parsed[0])
    row = (await session.execute(statement)).one_or_none()
    is_theirs = hmac.compare_digest(bytes(row.secret_hash) if row else NO_HASH, parsed[1])
    if row is None or not is_theirs or row.claimed_at is not None or row.expires_at <= at:
        return None
    return Guest(parsed[0], row.expires_at)


async def announce(session: PlatformSession, *changed: UUID) -> None:
    """Tell every process, at commit, that these merchants, accounts or machines changed; any, where none is named."""
    await session.execute(select(func.pg_notify(CHANNEL, " ".join(["changed", *map(str, changed)]))))


def _ids_in(payload: str) -> list[UUID]:
    """Whom a notification names; nobody, which means anybody, where it has another form."""
    try:
        return [UUID(word) for word in payload.split(" ")[1:]]
    except ValueError:
        return []
