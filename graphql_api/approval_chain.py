"""How many people must agree to what: chains of approvals by kind of case, set by two people."""

from datetime import datetime

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import CaseKind
from graphql_api.money import Money, MoneyInput
from graphql_api.payout_mutations import minor_by_currency
from graphql_api.problems import mutation
from graphql_api.relay import Connection, connection_of, page
from graphql_api.settlement import moneys
from merchantry.domain.case import Step
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted, UnknownCurrency
from merchantry.domain.permission import Permission
from merchantry.services import approval_chain
from merchantry.services.approval_chain import ChainVersion
from tenancy.database import Transaction


@strawberry.type(description="So many people must agree to amounts above these.")
class ApprovalStep:
    above: list[Money] | None = strawberry.field(
        description="By currency; a currency that is not named is above. Null: the step is for every amount."
    )
    approvals: int


@strawberry.type(description="A version of how many people must agree; the latest approved one of a kind is in force.")
class ApprovalChain:
    kind: CaseKind
    version: int
    steps: list[ApprovalStep]
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None = strawberry.field(description="Null while it waits for a second person.")

    @staticmethod
    def of(found: ChainVersion) -> "ApprovalChain":
        """The version from its row."""
        steps = [
            ApprovalStep(
                above=None if step.above_minor is None else moneys(dict(step.above_minor)), approvals=step.approvals
            )
            for step in found.chain
        ]
        return ApprovalChain(
            kind=found.kind,
            version=found.version,
            steps=steps,
            proposed_by=found.proposed_by,
            proposed_at=found.proposed_at,
            approved_by=found.approved_by,
            approved_at=found.approved_at,
        )


async def chains(info: Info, first: int | None, after: str | None) -> Connection[ApprovalChain]:
    """All versions, by kind and version."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_CASE_READ)
    asked = page("approvalChains", (str, int), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await approval_chain.page(session, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: (each.kind.value, each.version), node_of=ApprovalChain.of)


@strawberry.input(description="So many people must agree to amounts above these; without amounts, to every one.")
class ApprovalStepInput:
    above: list[MoneyInput] | None = None
    approvals: int = strawberry.field(description="Different people, 1 to 5.")


@strawberry.input(description="A chain for a kind of case. The most that a step asks for counts.")
class ApprovalChainSetInput:
    kind: CaseKind
    steps: list[ApprovalStepInput] = strawberry.field(description="The first is for every amount.")


@strawberry.input(description="A chain that somebody else proposed.")
class ApprovalChainApproveInput:
    kind: CaseKind
    version: int


@strawberry.type(description="The version waits for a second person.")
class ApprovalChainProposed:
    approval_chain: ApprovalChain


@strawberry.type(description="The version holds for cases that are opened from now on.")
class ApprovalChainApproved:
    approval_chain: ApprovalChain


@strawberry.type
class ApprovalChainMutations:
    @mutation(problems=[InvalidInput, UnknownCurrency, NotPermitted])
    async def approval_chain_set(self, info: Info, input: ApprovalChainSetInput) -> ApprovalChainProposed:
        """Propose how many people must agree to a kind of case. Needs platform.case.chain."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CASE_CHAIN)
        chain = tuple(
            Step(None if each.above is None else minor_by_currency(each.above, "steps"), each.approvals)
            for each in input.steps
        )

        async def work(tx: Transaction) -> ChainVersion:
            async with tx.as_platform() as session:
                return await approval_chain.propose(session, input.kind, chain, allowed.act)

        made = await info.context.database.run(allowed.act.actor, work)
        return ApprovalChainProposed(approval_chain=ApprovalChain.of(made))

    @mutation(problems=[InvalidInput, NotFound, NotPermitted])
    async def approval_chain_approve(self, info: Info, input: ApprovalChainApproveInput) -> ApprovalChainApproved:
        """Put a proposed chain into force; never one's own. Needs platform.case.chain."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CASE_CHAIN)

        async def work(tx: Transaction) -> ChainVersion:
            async with tx.as_platform() as session:
                return await approval_chain.approve(session, input.kind, input.version, allowed.act)

        made = await info.context.database.run(allowed.act.actor, work)
        return ApprovalChainApproved(approval_chain=ApprovalChain.of(made))
