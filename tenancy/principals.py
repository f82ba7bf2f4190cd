"""Who asks, and for which merchant. The directory that knows both is a port: the middleware sees only this protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
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
class Principal:
    """Who a token stands for: an account, its roles in each merchant, its roles on the platform."""

    account_id: UUID | None
    memberships: Mapping[UUID, frozenset[str]]
    platform_roles: frozenset[str]

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is signed in."""
        return self.account_id is None

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


class Directory(Protocol):
    """Where merchants and accounts are looked up. Implementations answer from a cache in the process."""

    async def merchant_by_slug(self, slug: str) -> Merchant | None:
        """The merchant of this slug in any status, or None."""
        ...

    async def principal(self, issuer: str, subject: str, email: str | None) -> Principal:
        """The principal of a verified token. `email` is given only where the issuer has verified it."""
        ...
