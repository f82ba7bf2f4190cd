"""Tokens of machines: who made them, what they may do, when they were last used; made, rotated, revoked."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.access import MerchantAccess, PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.enums import Permission
from graphql_api.errors import NotAuthenticated
from graphql_api.problems import mutation
from graphql_api.relay import Connection, connection_of, encode_id, page, take_id
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import held
from merchantry.services import machine_token as tokens
from merchantry.services.machine_token import NewMachineToken
from tenancy.database import PlatformSession, Transaction

SCOPES = "What it may do; only what you may do yourself, and nothing that is for people alone."
EXPIRES = "Never, where it is left out."
OVERLAP = "For how long the secret before it counts yet, up to 7 days."
SECRET = "What the machine sends as its bearer token. It is shown this once, and kept by nobody but you."
DAY_SECONDS = 86_400

T = TypeVar("T")


@strawberry.type(description="A token that a program acts with: of one merchant, or of the platform.")
class MachineToken:
    id: strawberry.ID
    name: str
    scopes: list[Permission]
    created_by: strawberry.ID = strawberry.field(description="The account of whoever made it.")
    created_by_email: str | None
    made_by_staff: bool = strawberry.field(
        description="Whether who made it still has a role here. If not, the token works on: rotate or revoke it."
    )
    created_at: datetime
    expires_at: datetime | None
    rotated_at: datetime | None
    previous_until: datetime | None = strawberry.field(description="Until when the secret before this one counts.")
    revoked_at: datetime | None
    last_used_at: datetime | None = strawberry.field(description="To the minute; null where it never was.")

    @staticmethod
    def of(found: tokens.MachineToken) -> "MachineToken":
        """The token as it is kept, but for its secret."""
        return MachineToken(
            id=encode_id("MachineToken", found.id),
            name=found.name,
            scopes=list(found.scopes),
            created_by=encode_id("Account", found.created_by),
            created_by_email=found.created_by_email,
            made_by_staff=found.made_by_staff,
            created_at=found.created_at,
            expires_at=found.expires_at,
            rotated_at=found.rotated_at,
            previous_until=found.previous_until,
            revoked_at=found.revoked_at,
            last_used_at=found.last_used_at,
        )


@strawberry.input(description="A machine's token for the selected merchant.")
class MachineTokenCreateInput:
    name: str = strawberry.field(description="Which program it is for.")
    scopes: list[Permission] = strawberry.field(description=SCOPES)
    expires_at: datetime | None = strawberry.field(default=None, description=EXPIRES)


@strawberry.input(description="A machine's token for the platform.")
class PlatformMachineTokenCreateInput:
    name: str = strawberry.field(description="Which program it is for.")
    scopes: list[Permission] = strawberry.field(description=SCOPES)
    expires_at: datetime | None = strawberry.field(default=None, description=EXPIRES)


@strawberry.input(description="A token of the selected merchant that gets a new secret.")
class MachineTokenRotateInput:
    token_id: strawberry.ID
    overlap_seconds: int = strawberry.field(default=DAY_SECONDS, description=OVERLAP)


@strawberry.input(description="A token of the platform that gets a new secret.")
class PlatformMachineTokenRotateInput:
    token_id: strawberry.ID
    overlap_seconds: int = strawberry.field(default=DAY_SECONDS, description=OVERLAP)


@strawberry.input(description="A token of the selected merchant to end.")
class MachineTokenRevokeInput:
    token_id: strawberry.ID


@strawberry.input(description="A token of the platform to end.")
class PlatformMachineTokenRevokeInput:
    token_id: strawberry.ID


@strawberry.type(description="The token can be used at once.")
class MachineTokenCreated:
    machine_token: MachineToken
    secret: str = strawberry.field(description=SECRET)


@strawberry.type(description="The token has a new secret.")
class MachineTokenRotated:
    machine_token: MachineToken
    secret: str = strawberry.field(description=SECRET)


@strawberry.type(description="The token is refused from its next request on, and its open connections end.")
class MachineTokenRevoked:
    machine_token: MachineToken


@strawberry.type(description="The platform's token can be used at once.")
class PlatformMachineTokenCreated:
    machine_token: MachineToken
    secret: str = strawberry.field(description=SECRET)


@strawberry.type(description="The platform's token has a new secret.")
class PlatformMachineTokenRotated:
    machine_token: MachineToken
    secret: str = strawberry.field(description=SECRET)


@strawberry.type(description="The platform's token is refused from its next request on.")
class PlatformMachineTokenRevoked:
    machine_token: MachineToken


@strawberry.type
class MachineTokenMutations:
    @mutation(problems=[NotPermitted, InvalidInput])
    async def machine_token_create(self, info: Info, input: MachineTokenCreateInput) -> MachineTokenCreated:
        """Make a token for a program that acts for the selected merchant. Needs token.write."""
        allowed = access.of_merchant(info.context, Permission.TOKEN_WRITE)
        made, secret = await _create(info.context, allowed, input)
        return MachineTokenCreated(machine_token=made, secret=secret)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def machine_token_rotate(self, info: Info, input: MachineTokenRotateInput) -> MachineTokenRotated:
        """Give a merchant's token a new secret. Needs token.write."""
        allowed = access.of_merchant(info.context, Permission.TOKEN_WRITE)
        made, secret = await _rotate(info.context, allowed, input)
        return MachineTokenRotated(machine_token=made, secret=secret)

    @mutation(problems=[NotFound, NotPermitted])
    async def machine_token_revoke(self, info: Info, input: MachineTokenRevokeInput) -> MachineTokenRevoked:
        """End a merchant's token. Needs token.write."""
        allowed = access.of_merchant(info.context, Permission.TOKEN_WRITE)
        return MachineTokenRevoked(machine_token=await _revoke(info.context, allowed, input.token_id))

    @mutation(problems=[NotPermitted, InvalidInput])
    async def platform_machine_token_create(
        self, info: Info, input: PlatformMachineTokenCreateInput
    ) -> PlatformMachineTokenCreated:
        """Make a token for a program that acts for the platform. Needs platform.token.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_TOKEN_WRITE)
        made, secret = await _create(info.context, allowed, input)
        return PlatformMachineTokenCreated(machine_token=made, secret=secret)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_machine_token_rotate(
        self, info: Info, input: PlatformMachineTokenRotateInput
    ) -> PlatformMachineTokenRotated:
        """Give a token of the platform a new secret. Needs platform.token.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_TOKEN_WRITE)
        made, secret = await _rotate(info.context, allowed, input)
        return PlatformMachineTokenRotated(machine_token=made, secret=secret)

    @mutation(problems=[NotFound, NotPermitted])
    async def platform_machine_token_revoke(
        self, info: Info, input: PlatformMachineTokenRevokeInput
    ) -> PlatformMachineTokenRevoked:
        """End a token of the platform. Needs platform.token.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_TOKEN_WRITE)
        return PlatformMachineTokenRevoked(machine_token=await _revoke(info.context, allowed, input.token_id))


Access = MerchantAccess | PlatformAccess


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[MachineToken]:
    """The selected merchant's tokens, for its staff."""
    return await _listed(info.context, access.of_merchant(info.context, Permission.TOKEN_READ), first, after)


async def of_platform(info: Info, first: int | None, after: str | None) -> Connection[MachineToken]:
    """The platform's own tokens, for its staff."""
    return await _listed(info.context, access.of_platform(info.context, Permission.PLATFORM_TOKEN_READ), first, after)


async def _listed(context: Context, allowed: Access, first: int | None, after: str | None) -> Connection[MachineToken]:
    asked = page("machineTokens", (datetime, UUID), first, after)
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await tokens.tokens(session, _merchant_of(allowed), asked.limit, asked.after)
    return connection_of(
        found, asked, cursor_of=lambda each: (each.created_at, each.id), node_of=lambda each: MachineToken.of(each)
    )


async def _create(
    context: Context, allowed: Access, given: MachineTokenCreateInput | PlatformMachineTokenCreateInput
) -> tuple[MachineToken, str]:
    principal, merchant_id = context.caller.principal, _merchant_of(allowed)
    maker, roles = principal.account_id, principal.roles_in(merchant_id) if merchant_id else principal.platform_roles
    if maker is None:
        raise NotAuthenticated
    new = NewMachineToken(merchant_id, given.name, frozenset(given.scopes), given.expires_at)
    made, secret = await _run(
        context, allowed, lambda session: tokens.create(session, new, held(roles), maker, allowed.act)
    )
    return MachineToken.of(made), secret


async def _rotate(
    context: Context, allowed: Access, given: MachineTokenRotateInput | PlatformMachineTokenRotateInput
) -> tuple[MachineToken, str]:
    (token_id,) = take_id(context, given.token_id, "MachineToken", 1, ("input", "tokenId"))
    overlap = timedelta(seconds=given.overlap_seconds)
    made, secret = await _run(
        context,
        allowed,
        lambda session: tokens.rotate(session, _merchant_of(allowed), token_id, overlap, allowed.act),
    )
    return MachineToken.of(made), secret


async def _revoke(context: Context, allowed: Access, given: str) -> MachineToken:
    (token_id,) = take_id(context, given, "MachineToken", 1, ("input", "tokenId"))
    ended = await _run(
        context, allowed, lambda session: tokens.revoke(session, _merchant_of(allowed), token_id, allowed.act)
    )
    return MachineToken.of(ended)


def _merchant_of(allowed: Access) -> UUID | None:
    return allowed.merchant_id if isinstance(allowed, MerchantAccess) else None


async def _run(context: Context, allowed: Access, work: Callable[[PlatformSession], Awaitable[T]]) -> T:
    async def as_platform(tx: Transaction) -> T:
        async with tx.as_platform() as session:
            return await work(session)

    return await context.database.run(allowed.act.actor, as_platform)
