"""Chargebacks: as the platform works on them, and as the merchant concerned sees them."""

from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.case import CaseFact
from graphql_api.context import Context, Info
from graphql_api.money import Money
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page
from merchantry.domain.permission import Permission
from merchantry.services import chargeback
from merchantry.services.chargeback_entries import Chargeback as StoredChargeback
from merchantry.tables.dispute import chargeback as table


@strawberry.enum(description="Who bears a chargeback's fee, and what the bank takes above the sale.")
class Bearer(Enum):
    MERCHANT = "merchant"
    PLATFORM = "platform"


@strawberry.type(description="The buyer's bank takes a payment back, for one order of it.")
class Chargeback(Node):
    id: strawberry.ID
    order_id: strawberry.ID
    reference: str = strawberry.field(description="The bank's.")
    round: int = strawberry.field(description="1, or more where the bank opened it again.")
    status: str = strawberry.field(description="opened, lost or won.")
    reason: str
    amount: Money
    covered: Money = strawberry.field(description="What of it had been refunded already; it is not lost again.")
    evidence: list[CaseFact] = strawberry.field(description="What the bank was sent.")
    responded_at: datetime | None = strawberry.field(description="When it was sent something last.")
    held: Money = strawberry.field(description="What was kept of the merchant's available money meanwhile.")
    fee: Money
    fee_borne_by: Bearer
    opened_at: datetime
    respond_by: datetime | None
    ended_at: datetime | None

    @staticmethod
    def of(found: StoredChargeback) -> "Chargeback":
        """The chargeback from its row."""
        return Chargeback(
            id=encode_id("Chargeback", found.merchant_id, found.id),
            order_id=encode_id("Order", found.merchant_id, found.order_id),
            reference=found.provider_reference,
            round=found.round,
            status=found.status,
            reason=found.reason,
            amount=Money.of(found.amount_minor, found.currency),
            covered=Money.of(found.covered_minor, found.currency),
            evidence=[CaseFact(name=each["name"], value=each["value"], kind=None) for each in found.evidence],
            responded_at=datetime.fromisoformat(found.evidence[-1]["sent_at"]) if found.evidence else None,
            held=Money.of(found.held_minor, found.currency),
            fee=Money.of(found.fee_minor, found.currency),
            fee_borne_by=Bearer(found.fee_borne_by),
            opened_at=found.opened_at,
            respond_by=found.respond_by,
            ended_at=found.ended_at,
        )


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[Chargeback]:
    """The selected merchant's, newest first."""
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    asked = page("chargebacks", (datetime, UUID), first, after)
    own = table.c.merchant_id == allowed.merchant_id
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await chargeback.page(session, own, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=Chargeback.of)


async def of_platform(info: Info, status: str | None, first: int | None, after: str | None) -> Connection[Chargeback]:
    """Those of all merchants, newest first."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_CHARGEBACK_READ)
    asked = page("platformChargebacks", (datetime, UUID), first, after)
    conditions = [] if status is None else [table.c.status == status]
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await chargeback.page(session, *conditions, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=Chargeback.of)


@node("Chargeback", parts=2)
async def load_chargeback(info: Info, parts: Parts) -> Chargeback | None:
    """The chargeback, for staff of its merchant who may read the ledger, and for the platform's."""
    return await find(info.context, *parts)


async def find(context: Context, merchant_id: UUID, chargeback_id: UUID) -> Chargeback | None:
    """The chargeback, where the caller may see it."""
    selected = context.caller.merchant
    if selected and selected.id == merchant_id:
        actor = access.of_merchant(context, Permission.LEDGER_READ).act.actor
        async with context.database.read(actor) as tx, tx.as_merchant(merchant_id) as session:
            found = await chargeback.find(session, merchant_id, chargeback_id)
    else:
        actor = access.of_platform(context, Permission.PLATFORM_CHARGEBACK_READ).act.actor
        async with context.database.read(actor) as tx, tx.as_platform() as platform:
            found = await chargeback.find(platform, merchant_id, chargeback_id)
    return Chargeback.of(found) if found else None
