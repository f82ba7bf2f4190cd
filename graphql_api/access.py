"""Who may go on. A resolver gets what it needs to open a transaction only from here, so none forgets to ask."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol
from uuid import UUID

from graphql import GraphQLError

from graphql_api.context import Context
from graphql_api.errors import NotAuthenticated
from merchantry.domain.act import Act
from merchantry.domain.errors import MerchantClosed, MerchantQuarantined, MerchantRestoring, NotPermitted
from merchantry.domain.permission import Permission, may
from merchantry.services.idempotency import Request, fingerprint
from tenancy.principals import Principal


class NoMerchantSelected(GraphQLError):
    """The field is about one merchant, and the request names none."""

    def __init__(self) -> None:
        super().__init__(
            "Say which merchant: send the header 'X-Merchant: <slug>', or use the merchant's own host.",
            extensions={"code": "NO_MERCHANT_SELECTED"},
        )


@dataclass(frozen=True, slots=True)
class BuyerAccess:
    """Somebody signed in, who asks for their own checkouts and orders."""

    account_id: UUID
    act: Act


@dataclass(frozen=True, slots=True)
class MerchantAccess:
    """Staff of the selected merchant, with the permission that was asked for."""

    merchant_id: UUID
    act: Act


@dataclass(frozen=True, slots=True)
class PlatformAccess:
    """Staff of the platform, with the permission that was asked for."""

    act: Act


def act_of(context: Context, who: str, on_behalf_of: str | None = None) -> Act:
    """What somebody does now by this request, as ``buyer``, ``staff`` or ``platform``. Raises NotAuthenticated."""
    now, actor = context.clock(), actor_of(context.caller.principal, who)
    return Act(actor, now, now, on_behalf_of, context.caller.client, context.request_id)


def actor_of(principal: Principal, who: str) -> str:
    """Somebody as the audit trail names them. Raises NotAuthenticated for nobody."""
    if principal.key is None:
        raise NotAuthenticated
    if principal.machine is None:
        return f"{who}:{principal.key}"
    return f"{'platform:' if who == 'platform' else ''}machine:{principal.key}"


def of_buyer(context: Context) -> BuyerAccess:
    """Raises NotAuthenticated for nobody, and for machines, which buy nothing."""
    account_id = context.caller.principal.account_id
    if account_id is None:
        raise NotAuthenticated
    return BuyerAccess(account_id, act_of(context, "buyer"))


def of_account(context: Context) -> BuyerAccess:
    """Raises NotAuthenticated for nobody, for machines, and for guests, who have no account."""
    if context.caller.principal.guest:
        raise NotAuthenticated
    return of_buyer(context)


def of_merchant(context: Context, permission: Permission) -> MerchantAccess:
    """Raises NotAuthenticated, NoMerchantSelected, NotPermitted, MerchantRestoring; where it is more than reading,
    MerchantClosed and MerchantQuarantined."""
    act = act_of(context, "staff")
    merchant = context.caller.merchant
    if merchant is None:
        raise NoMerchantSelected
    if not may(context.caller.principal.roles_in(merchant.id), permission):
        raise NotPermitted(permission=permission)
    if merchant.is_restoring:
        raise MerchantRestoring
    if merchant.is_read_only and not permission.is_reading:
        raise MerchantClosed
    if merchant.is_quarantined and not permission.is_reading:
        raise MerchantQuarantined
    return MerchantAccess(merchant.id, replace(act, on_behalf_of=f"merchant:{merchant.id}"))


def of_platform(context: Context, permission: Permission) -> PlatformAccess:
    """Raises NotAuthenticated, NotPermitted. Reading across merchants is noted for the audit trail."""
    act = act_of(context, "platform")
    if not may(context.caller.principal.platform_roles, permission):
        raise NotPermitted(permission=permission)
    if permission.reads_across:
        context.reads.across.add(permission)
    return PlatformAccess(act)


def request(mutation: str, given: "Keyed") -> Request:
    """A mutation's claim to happen once: its key, and all of its input but the key."""
    return Request(given.idempotency_key, mutation, fingerprint(mutation, _plain(given)))


def once(what: str, subject_id: UUID) -> Request:
    """A claim that something happens to a subject once, whoever asks with whichever key."""
    return Request(f"{what} {subject_id}", what, fingerprint(what, str(subject_id)))


class Keyed(Protocol):
    """An input that carries an idempotency key."""

    idempotency_key: str


def _plain(value: object) -> object:
    if isinstance(value, Enum):  # enums have a definition as inputs do
        return value.name
    if hasattr(value, "__strawberry_definition__"):
        return {name: _plain(each) for name, each in vars(value).items() if name != "idempotency_key"}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if value is not None else None
