"""People and their roles, at a merchant and at the platform."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import MerchantRole, PlatformRole
from graphql_api.problems import mutation
from graphql_api.relay import encode_id, take_id
from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.services import staff
from tenancy.database import PlatformSession, Transaction

T = TypeVar("T")


@strawberry.type(description="A person of the merchant's staff, in one role.")
class StaffMember:
    account_id: strawberry.ID
    email: str | None
    role: MerchantRole
    since: datetime

    @staticmethod
    def of(found: staff.Member) -> "StaffMember":
        """The member as the directory has it."""
        account_id = encode_id("Account", found.account_id)
        return StaffMember(account_id=account_id, email=found.email, role=found.role, since=found.since)


@strawberry.input(description="A role at the selected merchant.")
class StaffRoleInput:
    account_id: strawberry.ID = strawberry.field(description="What the person's own viewer { accountId } says.")
    role: MerchantRole


@strawberry.input(description="A role at the platform.")
class PlatformRoleInput:
    account_id: strawberry.ID = strawberry.field(description="What the person's own viewer { accountId } says.")
    role: PlatformRole


@strawberry.type(description="The merchant's staff as it is now.")
class StaffGranted:
    staff: list[StaffMember]


@strawberry.type(description="The merchant's staff as it is now.")
class StaffRevoked:
    staff: list[StaffMember]


@strawberry.type(description="The person has the role from their next request on.")
class PlatformRoleGranted:
    role: PlatformRole


@strawberry.type(description="The person has the role no more, from their next request on.")
class PlatformRoleRevoked:
    role: PlatformRole


@strawberry.type
class StaffMutations:
    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def staff_grant(self, info: Info, input: StaffRoleInput) -> StaffGranted:
        """Give a person a role at the selected merchant. Needs staff.write."""
        allowed = access.of_merchant(info.context, Permission.STAFF_WRITE)
        (account_id,) = take_id(info.context, input.account_id, "Account", 1, ("input", "accountId"))

        async def work(session: PlatformSession) -> list[staff.Member]:
            await staff.grant_role(session, account_id, allowed.merchant_id, input.role, allowed.act)
            return await staff.staff(session, allowed.merchant_id)

        return StaffGranted(staff=[StaffMember.of(each) for each in await _run(info.context, allowed.act, work)])

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def staff_revoke(self, info: Info, input: StaffRoleInput) -> StaffRevoked:
        """Take a role at the selected merchant away. Needs staff.write."""
        allowed = access.of_merchant(info.context, Permission.STAFF_WRITE)
        (account_id,) = take_id(info.context, input.account_id, "Account", 1, ("input", "accountId"))

        async def work(session: PlatformSession) -> list[staff.Member]:
            await staff.revoke_role(session, account_id, allowed.merchant_id, input.role, allowed.act)
            return await staff.staff(session, allowed.merchant_id)

        return StaffRevoked(staff=[StaffMember.of(each) for each in await _run(info.context, allowed.act, work)])

    @mutation(problems=[NotFound, NotPermitted])
    async def platform_role_grant(self, info: Info, input: PlatformRoleInput) -> PlatformRoleGranted:
        """Give a person a role at the platform. Needs platform.staff.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_STAFF_WRITE)
        (account_id,) = take_id(info.context, input.account_id, "Account", 1, ("input", "accountId"))
        await _run(
            info.context,
            allowed.act,
            lambda session: staff.grant_platform_role(session, account_id, input.role, allowed.act),
        )
        return PlatformRoleGranted(role=input.role)

    @mutation(problems=[NotFound, NotPermitted])
    async def platform_role_revoke(self, info: Info, input: PlatformRoleInput) -> PlatformRoleRevoked:
        """Take a role at the platform away. Needs platform.staff.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_STAFF_WRITE)
        (account_id,) = take_id(info.context, input.account_id, "Account", 1, ("input", "accountId"))
        await _run(
            info.context,
            allowed.act,
            lambda session: staff.revoke_platform_role(session, account_id, input.role, allowed.act),
        )
        return PlatformRoleRevoked(role=input.role)


async def _run(context: Context, act: Act, work: Callable[[PlatformSession], Awaitable[T]]) -> T:
    """One transaction as the platform."""

    async def as_platform(tx: Transaction) -> T:
        async with tx.as_platform() as session:
            return await work(session)

    return await context.database.run(act.actor, as_platform)
