"""What a merchant says on its public page."""

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.problems import mutation
from graphql_api.shop import Shop
from merchantry.domain.errors import InvalidInput, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.services import merchant
from tenancy.database import Transaction


@strawberry.input(description="What a shop says of itself.")
class ShopDescriptionSetInput:
    description: str = strawberry.field(description="Plain text of at most 5,000 characters; empty says nothing.")


@strawberry.type(description="The shop's page says so from now on.")
class ShopDescriptionWasSet:
    shop: Shop


@strawberry.type
class ShopMutations:
    @mutation(problems=[InvalidInput, NotPermitted])
    async def shop_description_set(self, info: Info, input: ShopDescriptionSetInput) -> ShopDescriptionWasSet:
        """Say on the selected merchant's public page what it is. Needs product.write."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)

        async def work(tx: Transaction) -> Shop:
            async with tx.as_platform() as session:
                await merchant.describe(session, allowed.merchant_id, input.description, allowed.act)
                (found,) = await merchant.by_ids(session, [allowed.merchant_id])
                return Shop.of(found)

        return ShopDescriptionWasSet(shop=await info.context.database.run(allowed.act.actor, work))
