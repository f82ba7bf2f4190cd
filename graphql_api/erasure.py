"""Erasing a buyer: by the platform's people, and by the buyer."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import ContactKeptFor
from graphql_api.problems import mutation
from graphql_api.relay import encode_id, take_id
from merchantry.domain.act import Act
from merchantry.domain.erasure import Kept
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.jobs.erasure import erase
from merchantry.services import erasure
from tenancy.database import Transaction


@strawberry.type(description="An order that keeps its contact data for now.")
class KeptContact:
    order_id: strawberry.ID
    reason: ContactKeptFor
    until: datetime | None = strawberry.field(description="Null: until the order, or the dispute, has ended.")

    @staticmethod
    def of(found: Kept) -> "KeptContact":
        """What is kept, as it was decided."""
        return KeptContact(
            order_id=encode_id("Order", found.merchant_id, found.order_id), reason=found.why, until=found.until
        )


@strawberry.type(
    description="Contact data was destroyed at every merchant and on the platform, but for what has to be kept; that"
    " goes by itself in its time."
)
class BuyerErased:
    requested_at: datetime
    done_at: datetime | None = strawberry.field(description="Null while something is kept.")
    erased_orders: int = strawberry.field(description="Orders that lost their contact data by this request.")
    kept: list[KeptContact]


@strawberry.input(description="Whose contact data is to be destroyed.")
class BuyerEraseInput:
    account_id: strawberry.ID = strawberry.field(description="The buyer's account, as `viewer { accountId }` says it.")
    reason: str = strawberry.field(description="Kept in the audit trail: name nobody in it.")


@strawberry.input(description="The viewer's own contact data is to be destroyed.")
class ViewerEraseInput:
    reason: str = strawberry.field(default="asked by the buyer", description="Kept in the audit trail.")


async def _erase(context: Context, buyer_id: UUID, reason: str, act: Act) -> BuyerErased:
    async def ask(tx: Transaction) -> erasure.Erasure:
        async with tx.as_platform() as session:
            return await erasure.request(session, buyer_id, reason, act)

    asked = await context.database.run(act.actor, ask)
    done = await erase(context.database, asked.id, act)
    return BuyerErased(
        requested_at=done.erasure.requested_at,
        done_at=done.erasure.done_at,
        erased_orders=done.orders,
        kept=[KeptContact.of(each) for each in done.kept],
    )


@strawberry.type
class ErasureMutations:
    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def buyer_erase(self, info: Info, input: BuyerEraseInput) -> BuyerErased:
        """Destroy a buyer's contact data. Repeated, it goes on and says how it stands. Needs platform.buyer.erase."""
        context = info.context
        access.of_platform(context, Permission.PLATFORM_BUYER_ERASE)
        (buyer_id,) = take_id(context, input.account_id, "Account", 1, ("input", "accountId"))
        act = access.act_of(context, "platform", f"buyer:{buyer_id}")
        return await _erase(context, buyer_id, input.reason, act)

    @mutation(problems=[InvalidInput])
    async def viewer_erase(self, info: Info, input: ViewerEraseInput) -> BuyerErased:
        """Destroy the viewer's own contact data as a buyer. Repeated, it goes on and says how it stands."""
        buyer = access.of_buyer(info.context)
        return await _erase(info.context, buyer.account_id, input.reason, buyer.act)
