"""The vault: values sealed for a merchant's or the platform's rows, under its own data key, made on first use."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, Select, select
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.tables.payout import merchant_key
from merchantry.tables.platform import NOBODY
from merchantry.vault.cipher import VaultError
from merchantry.vault.keys import DataKey, MasterKeys, WrappedKey, new_data_key, unwrap, wrap
from merchantry.vault.seal import key_version, open_, seal
from tenancy.database import MerchantSession, PlatformSession
from tenancy.remembered import Remembered

Owner: TypeAlias = MerchantSession | PlatformSession
"""Whose key it is: the session's merchant's, or the platform's."""

REMEMBERED: Final = 1024
"""How many data keys a process keeps unwrapped at most."""


def owner_of(session: Owner) -> UUID:
    """Whose key a session seals with: its merchant's id, NOBODY for the platform."""
    return session.merchant_id if isinstance(session, MerchantSession) else NOBODY


class Vault:
    """Seals and opens what only its owner's key opens. One per process; it holds secrets, and shows none."""

    def __init__(self, load: Callable[[], MasterKeys]) -> None:
        """``load`` gives the master keys: now, and again when a data key is wrapped by one that is not among them.

        Raises what ``load`` raises.
        """
        self._load = load
        self._ring = load()
        self._opened: OrderedDict[tuple[UUID, int], DataKey] = OrderedDict()
        self._unwrapped_of: Remembered[WrappedKey, DataKey] = Remembered(REMEMBERED)

    @property
    def ring(self) -> MasterKeys:
        """The master keys, as they were loaded last."""
        return self._ring

    async def seal(self, session: Owner, plaintext: bytes, act: Act, *, table: str, row_id: UUID, column: str) -> bytes:
        """The value, sealed for this place with the owner's newest data key. Raises VaultError."""
        key = await self.current_key(session, act)
        return seal(key, plaintext, table=table, row_id=row_id, column=column)

    async def open(self, session: Owner, sealed: bytes, *, table: str, row_id: UUID, column: str) -> bytes:
        """The value that was sealed for this place. Raises VaultError.

        A remembered key that does not open it may be one that was never stored: then the database's is tried.
        """
        place: dict[str, Any] = {"table": table, "row_id": row_id, "column": column}
        version = key_version(sealed)
        if remembered := self._remembered(owner_of(session), version):
            try:
                return open_(remembered, sealed, **place)
            except VaultError:
                del self._opened[owner_of(session), version]
        key = await self.key(session, version)
        plaintext = open_(key, sealed, **place)
        self._remember(key)
        return plaintext

    async def key(self, session: Owner, version: int) -> DataKey:
        """A version of the owner's data key. Raises VaultError where it is missing or can't be unwrapped."""
        row = (await session.execute(_keys(session).where(merchant_key.c.version == version))).one_or_none()
        if row is None:
            raise VaultError(f"The database has no version {version} of the data key of {owner_of(session)}")
        return self._unwrapped(row)

    async def newest_key(self, session: Owner) -> DataKey | None:
        """The owner's newest data key, always as the database has it: what is sealed with any other may be lost."""
        rows = await session.execute(_keys(session).order_by(merchant_key.c.version.desc()).limit(1))
        row = rows.one_or_none()
        return self._unwrapped(row) if row else None

    async def current_key(self, session: Owner, act: Act) -> DataKey:
        """The key to seal with: the newest, or the first one. Raises VaultError."""
        return await self.newest_key(session) or await self.make_key(session, 1, act.booked_at)

    async def key_of(self, session: Owner, row: Row[Any], act: Act) -> DataKey:
        """:meth:`current_key` from a row with the columns of :func:`newest_key_columns`. Raises VaultError."""
        if row.key_version is None:
            return await self.make_key(session, 1, act.booked_at)
        return self._unwrap(WrappedKey(owner_of(session), row.key_version, row.key_master, bytes(row.key_wrapped)))

    async def make_key(self, session: Owner, version: int, at: datetime) -> DataKey:
        """A new data key under this version, or the one that somebody else made meanwhile."""
        wrapped = wrap(self._ring, new_data_key(owner_of(session), version))
        row = {
            "merchant_id": owner_of(session),
            "version": version,
            "master_id": wrapped.master_id,
            "wrapped": wrapped.sealed,
            "created_at": at,
        }
        await session.execute(insert(merchant_key).values(row).on_conflict_do_nothing())
        return await self.key(session, version)

    def _unwrapped(self, row: Row[Any]) -> DataKey:
        return self._unwrap(wrapped_from(row))

    def _unwrap(self, wrapped: WrappedKey) -> DataKey:
        known = self._unwrapped_of.get(wrapped)
        if known is None:
            if wrapped.master_id not in self._ring.ids:
                self._ring = self._load()
            known = unwrap(self._ring, wrapped)
            self._unwrapped_of.put(wrapped, known, 1)
        return known

    def _remembered(self, merchant_id: UUID, version: int) -> DataKey | None:
        found = self._opened.get((merchant_id, version))
        if found:
            self._opened.move_to_end((merchant_id, version))
        return found

    def _remember(self, key: DataKey) -> None:
        self._opened[key.merchant_id, key.version] = key
        while len(self._opened) > REMEMBERED:
            self._opened.popitem(last=False)


def wrapped_from(row: Row[Any]) -> WrappedKey:
    """A data key from a row of ``merchant_key``."""
    return WrappedKey(row.merchant_id, row.version, row.master_id, bytes(row.wrapped))


def newest_key_columns(merchant_id: UUID | ColumnElement[UUID]) -> tuple[FromClause, list[ColumnElement[Any]]]:
    """What reads an owner's newest key inside a statement about something else, to be joined from the left, and its
    columns, which are null where there is none: whoever seals saves a statement."""
    newest = (
        select(merchant_key)
        .where(merchant_key.c.merchant_id == merchant_id)
        .order_by(merchant_key.c.version.desc())
        .limit(1)
        .lateral("newest_key")
    )
    named = {"key_version": newest.c.version, "key_master": newest.c.master_id, "key_wrapped": newest.c.wrapped}
    return newest, [each.label(name) for name, each in named.items()]


def _keys(session: Owner) -> Select[Any]:
    return select(merchant_key).where(merchant_key.c.merchant_id == owner_of(session))
