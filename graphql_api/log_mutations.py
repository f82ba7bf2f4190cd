"""How far in the public log entries must be before money follows from them, as the platform's people set it."""

from enum import Enum

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.problems import mutation
from merchantry.domain.errors import InvalidInput, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import log_requirement
from merchantry.services.log_requirement import LogRequirement as Requirement
from tenancy.database import Transaction

MAX_REASON = 500


@strawberry.enum(description="How far in the public log entries must be before statements close and payouts are sent.")
class LogRequirement(Enum):
    NONE = strawberry.enum_value(Requirement.NONE.value, description="They wait for nothing.")
    SIGNED = strawberry.enum_value(Requirement.SIGNED.value, description="The log has signed a head that covers them.")
    CONFIRMED = strawberry.enum_value(
        Requirement.CONFIRMED.value, description="Enough witnesses have cosigned such a head."
    )


@strawberry.input(description="What statements and payouts wait for from now on.")
class LogRequirementSetInput:
    requirement: LogRequirement
    reason: str = strawberry.field(description="Why, for the audit trail.")


@strawberry.type(description="It holds for statements that close and payouts that are sent from now on.")
class LogRequirementSet:
    requirement: LogRequirement


async def requirement(info: Info) -> LogRequirement:
    """``platform { logRequirement }``. Raises NotPermitted."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_READ)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        return LogRequirement((await log_requirement.in_force(session)).value)


@strawberry.type
class LogMutations:
    @mutation(problems=[NotPermitted, InvalidInput])
    async def log_requirement_set(self, info: Info, input: LogRequirementSetInput) -> LogRequirementSet:
        """Say how far in the public log entries must be before statements close over them and payouts of them are sent.
        Needs platform.payout.limit."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYOUT_LIMIT)
        check_text(input.reason, MAX_REASON, ("input", "reason"))
        wanted = Requirement(str(input.requirement.value))

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                await log_requirement.choose(session, wanted, input.reason.strip(), allowed.act)

        await info.context.database.run(allowed.act.actor, work)
        return LogRequirementSet(requirement=input.requirement)
