"""Customers, as their merchant sees them: by what they ordered here, and by nothing that another merchant knows."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.address import Address
from graphql_api.contacts import in_clear
from graphql_api.contacts import of_merchant as of_staff
from graphql_api.context import Info
from graphql_api.enums import ContactStatus
from graphql_api.money import Money
from graphql_api.relay import Connection, connection_of, encode_id, page
from merchantry.domain.contact import WITHHELD, Contact
from merchantry.domain.permission import Permission
from merchantry.services import customer


@strawberry.type(description="Somebody who ordered from the merchant.")
class Customer:
    id: strawberry.ID = strawberry.field(description="Of this merchant's own; another merchant knows them by another.")
    orders: int = strawberry.field(description="How many were paid for and not called off.")
    totals: list[Money] = strawberry.field(description="What those cost, by currency, gross of refunds.")
    first_order_at: datetime
    last_order_at: datetime
    last_order_id: strawberry.ID
    ship_to: Address | None = strawberry.field(
        description="Of the last order, for staff who have contact.read; contact says why it is null."
    )
    contact: ContactStatus = strawberry.field(description="Whether shipTo is shown, withheld, or erased for ever.")

    @staticmethod
    def of(merchant_id: UUID, found: customer.Customer, contact: Contact) -> "Customer":
        """The customer from the index of orders."""
        return Customer(
            id=encode_id("Customer", merchant_id, found.first_order_id),
            orders=found.orders,
            totals=[Money.of(minor, currency) for currency, minor in found.totals],
            first_order_at=found.first_order_at,
            last_order_at=found.last_order_at,
            last_order_id=encode_id("Order", merchant_id, found.last_order_id),
            ship_to=in_clear(contact),
            contact=contact.status,
        )


async def customers(info: Info, order_number: str | None, first: int | None, after: str | None) -> Connection[Customer]:
    """The merchant's customers, who ordered last first."""
    allowed = access.of_merchant(info.context, Permission.ORDER_READ)
    asked = page("customers", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx:
        async with tx.as_platform() as platform:
            found = await customer.customers(
                platform, allowed.merchant_id, limit=asked.limit, after=asked.after, order_number=order_number
            )
        last_orders = [each.last_order_id for each in found[: asked.first]]
        contacts = await of_staff(info.context, tx, allowed.merchant_id, last_orders)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: Customer.of(allowed.merchant_id, each, contacts.get(each.last_order_id, WITHHELD)),
    )
