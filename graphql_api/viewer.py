"""Who the token is: a buyer, staff of merchants, staff of the platform, or several of these."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from graphql_api import access, checkout, email, guest, log, notification, return_request
from graphql_api.checkout import Checkout
from graphql_api.contacts import of_buyer
from graphql_api.context import Info
from graphql_api.email import MailAddress
from graphql_api.enums import Language, MerchantRole, Permission, PlatformRole
from graphql_api.guest import Guest
from graphql_api.log import Receipt
from graphql_api.notification import Notification, NotificationFilter, NotificationPreference
from graphql_api.order import Order
from graphql_api.order_loading import IN_PAGE, parts_written
from graphql_api.reader import language_of
from graphql_api.relay import Connection, connection_of, encode_id, page
from graphql_api.return_request import ReturnRequest
from merchantry.domain.contact import WITHHELD
from merchantry.services import buyer_index, merchant, tracking
from tenancy.principals import Principal


@strawberry.type(description="A merchant whose staff the viewer belongs to.")
class Membership:
    merchant_slug: str
    merchant_name: str
    roles: list[MerchantRole]


@strawberry.type(description="A program that asks by a token of its own.")
class ViewerMachine:
    name: str
    scopes: list[Permission] = strawberry.field(description="What it may do, at the merchant or at the platform.")
    expires_at: datetime | None


@strawberry.type(description="Whoever asks.")
class Viewer:
    account_id: strawberry.ID | None = strawberry.field(
        description="Null for nobody in particular, machines and guests."
    )
    platform_roles: list[PlatformRole]
    machine: ViewerMachine | None = strawberry.field(description="Of a machine's token; null for people.")

    @strawberry.field
    async def guest(self, info: Info) -> Guest | None:
        """Of a guest's token; null for everybody else."""
        return await guest.guest_of(info)

    @strawberry.field
    async def memberships(self, info: Info) -> list[Membership]:
        """The merchants whose staff the viewer belongs to, by slug."""
        principal = info.context.caller.principal
        if not principal.memberships:
            return []
        async with info.context.database.read("viewer") as tx, tx.as_platform() as session:
            found = await merchant.by_ids(session, list(principal.memberships))
        return [
            Membership(
                merchant_slug=each.merchant.slug,
                merchant_name=each.profile.display_name,
                roles=[] if principal.machine else [*map(MerchantRole, sorted(principal.roles_in(each.merchant.id)))],
            )
            for each in found
        ]

    @strawberry.field
    async def checkouts(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Checkout] | None:
        """The buyer's checkouts, newest first."""
        return await checkout.checkouts(info, first, after)

    @strawberry.field
    async def orders(self, info: Info, first: int | None = None, after: str | None = None) -> Connection[Order] | None:
        """The buyer's orders of all merchants, newest first."""
        buyer = access.of_buyer(info.context)
        asked = page("viewerOrders", (datetime, UUID), first, after)
        async with info.context.database.read(buyer.act.actor) as tx, tx.as_platform() as session:
            index = await buyer_index.page(session, buyer.account_id, limit=asked.limit, after=asked.after)
            contacts = await of_buyer(info.context, session, [each.checkout_id for each in index])
        views = await tracking.of_buyer(info.context.database, index, parts_written(info, *IN_PAGE))
        return connection_of(
            views,
            asked,
            cursor_of=lambda each: (each.order.placed_at, each.order.id),
            node_of=lambda each: Order.of(each, contact=contacts.get(each.order.checkout_id, WITHHELD)),
        )

    @strawberry.field
    async def returns(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[ReturnRequest] | None:
        """What the buyer asked to send back, at all merchants, newest first."""
        return await return_request.of_buyer(info, first, after)

    @strawberry.field
    async def notifications(
        self,
        info: Info,
        filter: NotificationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[Notification] | None:
        """What the viewer was told as buyer, as staff and at the platform, newest first."""
        return await notification.of_viewer(info, filter, first, after)

    @strawberry.field
    async def language(self, info: Info) -> Language:
        """What texts for the viewer are written in: as chosen, else what `Accept-Language` says, else EN."""
        return Language(await language_of(info.context))

    @strawberry.field
    async def email(self, info: Info) -> MailAddress | None:
        """Where the viewer is written to; null where that is not known."""
        return await email.of_viewer(info)

    @strawberry.field
    async def unread_count(self, info: Info) -> int | None:
        """How many notifications the viewer has not read, up to 1,000."""
        return await notification.unread_count(info)

    @strawberry.field
    async def notification_preferences(self, info: Info) -> list[NotificationPreference] | None:
        """How the viewer said to be told; whatever is not among them is told IN_APP."""
        return await notification.preferences(info)

    @strawberry.field
    async def receipts(
        self,
        info: Info,
        order_id: Annotated[strawberry.ID, strawberry.argument(description="One of the buyer's orders.")],
    ) -> list[Receipt]:
        """Shows that what the buyer paid for an order, and got back, is in the public log; up to 100, oldest first."""
        return await log.of_buyer(info, order_id)


def viewer(info: Info) -> Viewer:
    """Whoever asks; never null."""
    principal = info.context.caller.principal
    return Viewer(
        account_id=encode_id("Account", principal.account_id) if principal.account_id and not principal.guest else None,
        platform_roles=[] if principal.machine else [*map(PlatformRole, sorted(principal.platform_roles))],
        machine=_machine(principal),
    )


def _machine(principal: Principal) -> ViewerMachine | None:
    if principal.machine is None:
        return None
    scopes = principal.platform_roles.union(*principal.memberships.values())
    return ViewerMachine(
        name=principal.machine.name,
        scopes=[each for each in Permission if each in scopes],
        expires_at=principal.machine.expires_at,
    )
