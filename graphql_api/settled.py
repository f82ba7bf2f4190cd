"""Who may look at a merchant's settlement, and the snapshot that they then read: its own staff, and the platform's."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from uuid import UUID

from graphql_api import access
from graphql_api.context import Context
from merchantry.domain.errors import NotFound
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import numbers
from tenancy.database import MerchantSession

Reader = Callable[[], AbstractAsyncContextManager[MerchantSession]]
"""Opens a snapshot as one merchant, for whoever may; each call is a transaction of its own."""


@asynccontextmanager
async def as_staff(context: Context) -> AsyncIterator[MerchantSession]:
    """As the selected merchant, for its staff who may read the ledger. Raises what ``access.of_merchant`` raises."""
    allowed = access.of_merchant(context, Permission.LEDGER_READ)
    async with context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        yield session


@asynccontextmanager
async def as_platform(context: Context, merchant_id: UUID) -> AsyncIterator[MerchantSession]:
    """As any merchant, for the platform's people who may read settlements. Raises NotPermitted, NotFound."""
    allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_READ)
    context.reads.merchants.add(merchant_id)
    async with context.database.read(allowed.act.actor) as tx:
        async with tx.as_platform() as platform:
            if not await merchants.by_ids(platform, [merchant_id]):
                raise NotFound(what="merchant", path=("merchant",))
        async with tx.as_merchant(merchant_id) as session:
            yield session


def of_id(context: Context, merchant_id: UUID) -> Reader:
    """For whoever names a thing by its id: as staff where the merchant is the selected one, else as the platform."""
    selected = context.caller.merchant
    if selected is not None and selected.id == merchant_id:
        return partial(as_staff, context)
    return partial(as_platform, context, merchant_id)


async def of_number(context: Context, number: str) -> Reader:
    """For the platform's people who name a document by its number, which says whose it is.

    Raises NotPermitted, NotFound.
    """
    allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_READ)
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await numbers.merchant_of(session, number)
    if found is None:
        raise NotFound(what="document")
    return partial(as_platform, context, found)
