"""Merchants as the platform's people see them: taken in, suspended, let in again."""

from datetime import datetime

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Cycle, SellerOfRecord
from graphql_api.money import CurrencyCode, MoneyInput
from graphql_api.payee import PayeeAccount
from graphql_api.problems import mutation
from graphql_api.relay import encode_id
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted, SlugTaken
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services.merchant import ListedMerchant, NewShop, ShippingOption
from tenancy.database import Transaction


@strawberry.type(description="A merchant as the platform's staff see it.")
class MerchantRecord:
    id: strawberry.ID
    slug: str
    status: str = strawberry.field(description="active, suspended, closing, closed, restoring or quarantined.")
    number: int = strawberry.field(description="What the numbers of its orders begin with.")
    legal_name: str
    display_name: str
    category: str
    time_zone: str
    currency: str
    settlement_cycle: Cycle
    commission_plan: str
    accepts_cash: bool = strawberry.field(description="Whether it takes the buyer's money on delivery.")
    seller_of_record: SellerOfRecord = strawberry.field(description="Who sells, in orders that are placed now.")
    payee_accounts: list[PayeeAccount] | None = strawberry.field(
        description="Those in use, at `platform { merchant }` and for people with platform.payee.verify; else null."
    )

    last_backup_at: datetime | None = strawberry.field(
        description="Whose state its latest backup holds, at `platform { merchant }`; else null."
    )

    @staticmethod
    def of(
        found: ListedMerchant, accounts: list[PayeeAccount] | None = None, last_backup_at: datetime | None = None
    ) -> "MerchantRecord":
        """The directory's entry with its profile."""
        profile = found.profile
        return MerchantRecord(
            id=encode_id("MerchantRecord", found.merchant.id),
            slug=found.merchant.slug,
            status=found.merchant.status,
            number=profile.number,
            legal_name=profile.legal_name,
            display_name=profile.display_name,
            category=profile.category,
            time_zone=profile.time_zone,
            currency=profile.currency,
            settlement_cycle=profile.settlement_cycle,
            commission_plan=profile.commission_plan,
            accepts_cash=profile.accepts_cash,
            seller_of_record=profile.seller_of_record,
            payee_accounts=accounts,
            last_backup_at=last_backup_at,
        )


@strawberry.input(description="A flat rate at which a shop ships an order.")
class ShippingOptionInput:
    code: str
    title: str
    prices: list[MoneyInput]


@strawberry.input(description="A merchant to be.")
class MerchantCreateInput:
    slug: str = strawberry.field(description="Its host name's first label and its X-Merchant header.")
    legal_name: str
    display_name: str
    category: str = strawberry.field(description="The merchant's category, by which plans may rate it.")
    time_zone: str = strawberry.field(description="An IANA zone, such as America/Sao_Paulo; it decides its periods.")
    currency: CurrencyCode
    settlement_cycle: Cycle = Cycle.WEEKLY
    commission_plan: str = "standard"
    shipping_options: list[ShippingOptionInput]
    accepts_cash: bool = strawberry.field(
        default=False, description="Whether it may take the buyer's money on delivery; its commission is then a debt."
    )
    seller_of_record: SellerOfRecord = SellerOfRecord.AGENT


@strawberry.input(description="What changes of a merchant; what is left out, or null, stays.")
class MerchantUpdateInput:
    slug: str
    accepts_cash: bool | None = strawberry.field(
        default=None, description="Whether it may take cash on delivery, of checkouts that are paid from now on."
    )
    seller_of_record: SellerOfRecord | None = strawberry.field(
        default=None, description="Who sells, in orders that are placed from now on; a PRINCIPAL's goods take no cash."
    )


@strawberry.input(description="A merchant to suspend, or to let sell again.")
class MerchantSuspendInput:
    slug: str


@strawberry.type(description="The merchant exists, with a schema and a role of its own.")
class MerchantCreated:
    merchant: MerchantRecord


@strawberry.type(description="The merchant is as it was asked to be.")
class MerchantUpdated:
    merchant: MerchantRecord


@strawberry.type(description="The merchant is refused everywhere, and its listings are hidden.")
class MerchantSuspended:
    merchant: MerchantRecord


@strawberry.type(description="The merchant sells again.")
class MerchantReactivated:
    merchant: MerchantRecord


def _shop(given: MerchantCreateInput) -> NewShop:
    return NewShop(
        slug=given.slug,
        legal_name=given.legal_name,
        display_name=given.display_name,
        category=given.category,
        time_zone=given.time_zone,
        currency=given.currency,
        settlement_cycle=given.settlement_cycle,
        commission_plan=given.commission_plan,
        accepts_cash=given.accepts_cash,
        seller_of_record=given.seller_of_record,
        shipping_options=tuple(
            ShippingOption(
                each.code,
                each.title,
                {
                    price.currency: price.to_minor("input", "shippingOptions", position, "prices", at)
                    for at, price in enumerate(each.prices)
                },
            )
            for position, each in enumerate(given.shipping_options)
        ),
    )


@strawberry.type
class MerchantRecordMutations:
    @mutation(problems=[SlugTaken, InvalidInput, NotPermitted])
    async def merchant_create(self, info: Info, input: MerchantCreateInput) -> MerchantCreated:
        """Take a merchant in: schema, role and directory entry in one transaction. Needs platform.merchant.create."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_MERCHANT_CREATE)
        (made,) = await context.provision([_shop(input)], allowed.act)
        async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
            (found,) = await merchants.by_ids(session, [made.id])
        return MerchantCreated(merchant=MerchantRecord.of(found))

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def merchant_update(self, info: Info, input: MerchantUpdateInput) -> MerchantUpdated:
        """Say whether a merchant takes cash on delivery, and who sells its goods. Needs platform.merchant.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_MERCHANT_WRITE)

        async def work(tx: Transaction) -> ListedMerchant:
            async with tx.as_platform() as session:
                changed = await merchants.change(
                    session,
                    input.slug,
                    allowed.act,
                    accepts_cash=input.accepts_cash,
                    seller_of_record=input.seller_of_record,
                )
                (found,) = await merchants.by_ids(session, [changed])
                return found

        return MerchantUpdated(merchant=MerchantRecord.of(await info.context.database.run(allowed.act.actor, work)))

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def merchant_suspend(self, info: Info, input: MerchantSuspendInput) -> MerchantSuspended:
        """Refuse a merchant everywhere, at once. Needs platform.merchant.suspend."""
        return MerchantSuspended(merchant=await _set_status(info, input.slug, "suspended"))

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def merchant_reactivate(self, info: Info, input: MerchantSuspendInput) -> MerchantReactivated:
        """Let a suspended merchant sell again. Needs platform.merchant.suspend."""
        return MerchantReactivated(merchant=await _set_status(info, input.slug, "active"))


async def _set_status(info: Info, slug: str, status: str) -> MerchantRecord:
    allowed = access.of_platform(info.context, Permission.PLATFORM_MERCHANT_SUSPEND)

    async def work(tx: Transaction) -> ListedMerchant:
        async with tx.as_platform() as session:
            changed = await merchants.set_status(session, slug, status, allowed.act)
            (found,) = await merchants.by_ids(session, [changed.id])
            return found

    return MerchantRecord.of(await info.context.database.run(allowed.act.actor, work))
