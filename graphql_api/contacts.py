"""Buyers' contact data, opened for whoever may see it and only where a document asks for it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from graphql_api.address import Address
from graphql_api.context import Context
from merchantry.domain.contact import Contact
from merchantry.domain.permission import Permission, may
from merchantry.services import contact
from merchantry.services.contact import Stored
from tenancy.database import MerchantSession, PlatformSession, Transaction

FIELDS: Final = frozenset({"shipTo", "contact"})
"""The fields of the schema that show contact data, or whether there is any."""


def in_clear(found: Contact) -> Address | None:
    """The address, where it is shown."""
    return None if found.address is None else Address(**found.address)


async def of_buyer(
    context: Context, session: PlatformSession, checkout_ids: Collection[UUID]
) -> Mapping[UUID, Contact]:
    """Where checkouts go, for the buyer whose they are; nothing where it is not asked for."""
    if not checkout_ids or FIELDS.isdisjoint(context.asked.fields):
        return {}
    return await contact.of_checkouts(session, context.vault, set(checkout_ids))


async def of_merchant(
    context: Context, tx: Transaction, merchant_id: UUID, order_ids: Collection[UUID]
) -> Mapping[UUID, Contact]:
    """Where orders go, for staff who have contact.read; noted, so that it is in the trail before it is answered."""
    if not order_ids or not are_read(context, merchant_id):
        return {}
    async with tx.as_merchant(merchant_id) as session:
        return _noted(context, merchant_id, await contact.of_orders(session, context.vault, order_ids))


async def of_page(context: Context, session: MerchantSession, stored: Iterable[Stored]) -> Mapping[UUID, Contact]:
    """The same of what a page found stored: only where they :func:`are_read`."""
    return _noted(context, session.merchant_id, await contact.opened(session, context.vault, stored))


def are_read(context: Context, merchant_id: UUID) -> bool:
    """Whether a document asks for contact data, of staff who have contact.read."""
    roles = context.caller.principal.roles_in(merchant_id)
    return not FIELDS.isdisjoint(context.asked.fields) and may(roles, Permission.CONTACT_READ)


def _noted(context: Context, merchant_id: UUID, found: Mapping[UUID, Contact]) -> Mapping[UUID, Contact]:
    opened = [order_id for order_id, each in found.items() if each.address is not None]
    context.reads.contacts.setdefault(merchant_id, set()).update(opened)
    return found
