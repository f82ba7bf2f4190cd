"""Who asks, and for which merchant. The directory that knows both is a port: the middleware sees only this protocol."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant's entry in the directory: enough to admit or refuse a request, nothing of its data."""

    id: UUID
    slug: str
    status: str

    @property
    def is_active(self) -> bool:
        """Whether it sells."""
        return self.status == "active"

    @property
    def is_admitted(self) -> bool:
        """Whether requests in this merchant's name are admitted: also of one that leaves, that has left, or
        that is being restored: its own staff are told so."""
        return self.status in ("active", "closing", "closed", "restoring", "quarantined")

    @property
    def is_read_only(self) -> bool:
        """Whether what it has can only be read."""
        return self.status == "closed"

    @property
    def is_restoring(self) -> bool:
        """Whether what it has is being replaced, so that it can't even be read."""
        return self.status == "restoring"

    @property
    def is_quarantined(self) -> bool:
        """Whether it was restored and lacks something, so that it can only be read for now."""
        return self.status == "quarantined"


@dataclass(frozen=True, slots=True)
class Machine:
    """A program that holds a token of its own. ``expires_at`` is when this secret of it ends."""

    id: UUID
    name: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Guest:
    """A buyer without an account, of one checkout. ``expires_at`` is when their token ends."""

    id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token stands for: an account, its roles in each merchant, its roles on the platform.

    Of a machine's token, which has no account, permissions stand in the place of roles. A guest has no rights but a
    buyer's own, and is their own account.
    """

    account_id: UUID | None
    memberships: Mapping[UUID, frozenset[str]]
    platform_roles: frozenset[str]
    machine: Machine | None = None
    guest: Guest | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is signed in."""
        return self.key is None

    @property
    def key(self) -> UUID | None:
        """The account or the machine; None for nobody."""
        return self.machine.id if self.machine else self.account_id

    def roles_in(self, merchant_id: UUID) -> frozenset[str]:
        """The roles held in this merchant; empty where there is no membership."""
        return self.memberships.get(merchant_id, frozenset())


ANONYMOUS = Principal(account_id=None, memberships=MappingProxyType({}), platform_roles=frozenset())


@dataclass(frozen=True, slots=True)
class Caller:
    """What the middleware found out about a request, once."""

    principal: Principal
    merchant: Merchant | None
    client: str | None = None
    """What the request was authenticated with: ``token``, or ``token:<id>`` where the token has an id."""
    expires_at: datetime | None = None
    """When that ends by itself; None for what doesn't, and for nobody."""


class Directory(Protocol):
    """Where merchants and accounts are looked up. Implementations answer from a cache in the process."""

    async def merchant_by_slug(self, slug: str) -> Merchant | None:
        """The merchant of this slug in any status, or None."""
        ...

    async def principal(self, issuer: str, subject: str, email: str | None) -> Principal:
        """The principal of a verified token. `email` is given only where the issuer has verified it."""
        ...

    async def machine(self, token: str) -> Principal:
        """The principal of a machine's token. Raises TokenRefused."""
        ...

    async def guest(self, token: str) -> Principal:
        """The principal of a guest's token. Raises TokenRefused."""
        ...

    def watching(self, principal: Principal, merchant: Merchant | None) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something about them may have changed, for whoever holds a connection open.

        Who is woken clears it and identifies the caller anew. Where changes can't be heard of, it is set every second.
        """
        ...
