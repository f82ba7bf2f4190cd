"""Buying without an account: a guest is given a token, places one checkout with it, and may take it into an account."""

from datetime import datetime
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.checkout import ANSWERED, Checkout, find_checkout
from graphql_api.context import Info
from graphql_api.order_loading import parts_wanted
from graphql_api.problems import mutation
from merchantry.domain.act import Act
from merchantry.domain.contact import check_email
from merchantry.domain.errors import IdempotencyConflict, IdempotencyInProgress, InvalidInput, NotFound
from merchantry.languages.language import chosen
from merchantry.services import guest as guests
from merchantry.services.guest import Begun
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction
from tenancy.machine_tokens import GUEST_PREFIX, parse_token


@strawberry.type(description="A buyer without an account.")
class Guest:
    expires_at: datetime = strawberry.field(description="When the token ends.")
    email: str | None = strawberry.field(description="Where their mail goes; null once it was erased.")


async def guest_of(info: Info) -> Guest | None:
    """The guest who asks; None for everybody else."""
    context, guest = info.context, info.context.caller.principal.guest
    if guest is None:
        return None
    async with context.database.read(f"buyer:{guest.id}") as tx, tx.as_platform() as session:
        return Guest(expires_at=guest.expires_at, email=await guests.email_of(session, context.vault, guest.id))


@strawberry.input(description="Somebody without an account begins to buy.")
class GuestCheckoutBeginInput:
    email: str = strawberry.field(description="Where mail about the orders goes.")


@strawberry.type(description="There is a guest who may place one checkout.")
class GuestCheckoutBegun:
    token: str = strawberry.field(
        description="What the guest sends as their bearer token, to quote, place, pay and look at their orders later."
        " It is shown this once, and kept sealed, only for the links of mails to them."
    )
    expires_at: datetime = strawberry.field(description="When the token ends; placing a checkout puts that off.")


@strawberry.input(description="A guest's checkout goes to the account that asks.")
class GuestCheckoutClaimInput:
    token: str = strawberry.field(description="The guest's token.")
    idempotency_key: str


@strawberry.type(description="The checkout and its orders are the account's; the guest's token has ended.")
class GuestCheckoutClaimed:
    checkout: Checkout


@strawberry.type
class GuestMutations:
    @mutation(problems=[InvalidInput])
    async def guest_checkout_begin(self, info: Info, input: GuestCheckoutBeginInput) -> GuestCheckoutBegun:
        """Begin to buy without an account. Nothing is reserved; repeated, it makes another guest."""
        context, guest_id, now = info.context, uuid4(), info.context.clock()
        email = check_email(input.email, ("input", "email"))
        act = Act(f"buyer:{guest_id}", now, now, None, "guest", context.request_id)
        language = chosen(None, context.accepted_languages)

        async def work(tx: Transaction) -> Begun:
            async with tx.as_platform() as session:
                return await guests.begin(session, guest_id, email, act, vault=context.vault, language=language)

        begun = await context.database.run(act.actor, work)
        return GuestCheckoutBegun(token=begun.token, expires_at=begun.expires_at)

    @mutation(problems=[NotFound, InvalidInput, IdempotencyConflict, IdempotencyInProgress])
    async def guest_checkout_claim(self, info: Info, input: GuestCheckoutClaimInput) -> GuestCheckoutClaimed:
        """Take what was bought as a guest into the account that asks. Its token shows whose it is."""
        context = info.context
        buyer = access.of_account(context)
        request, named = access.request("guestCheckoutClaim", input), parse_token(input.token, GUEST_PREFIX)
        if named is None:
            raise NotFound(what=guests.CHECKOUT, path=("input", "token"))

        async def work(tx: Transaction) -> UUID:
            async with tx.as_platform() as session:
                if first := await claim(session, NOBODY, buyer.act, request, named[0]):
                    return await guests.checkout_of(session, first)
                return await guests.claim(session, input.token, buyer.account_id, buyer.act)

        claimed = await context.database.run(buyer.act.actor, work)
        shown = await find_checkout(context, claimed, parts_wanted(info, ANSWERED))
        return GuestCheckoutClaimed(checkout=shown)
