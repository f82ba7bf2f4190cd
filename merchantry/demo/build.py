"""Builds the demo's mall through the same services as live traffic, each act at its own time; once, and resumable.

Every step is marked in ``platform.imported`` in the transaction that does it, so whatever ends the building, the next
start goes on where it was.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from merchantry.demo import mall, payees, prices
from merchantry.demo.history import History
from merchantry.demo.mall import STALLS, Stall
from merchantry.demo.story import DAY, DAYS, SHARED, fresh, purchases
from merchantry.demo.world import SYSTEM, World, act, read_world
from merchantry.domain.act import Act
from merchantry.domain.commission import parse_plan
from merchantry.domain.errors import CheckoutRejected, InvalidInput
from merchantry.domain.permission import MerchantRole
from merchantry.services import catalogue, category, commission, staff
from merchantry.services import merchant as merchants
from merchantry.services.mall import set_mall_zone
from merchantry.services.merchant import NewShop, ShippingOption
from merchantry.services.variant import NewVariant
from merchantry.services.vault import Vault
from merchantry.tables.blueprint import blueprint
from merchantry.tables.platform import checkout, imported
from tenancy.database import Database, PlatformSession, Transaction
from tenancy.directory import account_of
from tenancy.tables import merchant
from tenancy.tokens import DevelopmentIssuer

SOURCE = "demo"
BEGUN, FINISHED = "begun", "finished"
PLAN_FROM = datetime.fromisoformat("2020-01-01T00:00:00-03:00")

Progress = Callable[[int, int], None]

log = structlog.get_logger()


async def build(database: Database, vault: Vault, now: datetime, page_url: str, progress: Progress) -> None:
    """Make the mall where it is not there yet, and let somebody be paying.

    ``page_url`` is that of the sandbox provider's page; ``progress`` gets how many steps are done, and of how many.
    Raises InvalidInput for a database that holds other merchants.
    """
    end = await _begun_at(database, now)
    begin = end - DAYS * DAY
    steps = DAYS + len(STALLS) + 2
    if not await _is_marked(database, FINISHED):
        await _rules(database, Act(SYSTEM, begin - 10 * DAY, begin - 10 * DAY))
        await _merchants(database, begin - 9 * DAY)
        await prices.agree(database, act(SYSTEM, begin - 8 * DAY), _once)
        await _payees(database, vault, begin - 8 * DAY)
        progress(1, steps)
        for position, stall in enumerate(STALLS):
            await _products(database, await read_world(database), stall, begin)
            progress(2 + position, steps)
        history = History(database, await read_world(database), purchases(begin), begin, _once, page_url, vault)
        for day in range(DAYS):
            await history.play(day, until=begin + (day + 1) * DAY)
            progress(2 + len(STALLS) + day, steps)
        await database.run(SYSTEM, lambda tx: _once(tx, FINISHED, now))
    await _somebody_pays(database, vault, now, page_url)
    progress(steps, steps)


async def _somebody_pays(database: Database, vault: Vault, now: datetime, page_url: str) -> None:
    """Checkouts expire after half an hour; where none is open, three more are placed."""
    async with database.read(SYSTEM) as tx, tx.as_platform() as session:
        is_open = exists().where(checkout.c.status == "awaiting_payment")
        if await session.scalar(select(is_open)):
            return
    history = History(database, await read_world(database), fresh(now), now - DAY, _always, page_url, vault)
    try:
        await history.play(0, until=now)
    except CheckoutRejected as error:  # whoever played with the mall may have sold, suspended or hidden what it needs
        log.info("demo.nobody_pays", reason=error.message)


async def _begun_at(database: Database, now: datetime) -> datetime:
    """The moment at which the demo's history ends: that of its first start."""

    async def work(tx: Transaction) -> datetime:
        async with tx.as_platform() as session:
            mark = select(imported.c.imported_at).where(imported.c.source == SOURCE, imported.c.reference == BEGUN)
            found: datetime | None = await session.scalar(mark)
            if found is not None:
                return found
            if await session.scalar(select(exists().select_from(merchant))):
                raise InvalidInput(reason="This database holds other merchants already; give the demo an empty one.")
            await _mark(session, BEGUN, now)
            return now

    return await database.run(SYSTEM, work)


async def _is_marked(database: Database, step: str) -> bool:
    async with database.read(SYSTEM) as tx, tx.as_platform() as session:
        marked = exists().where(imported.c.source == SOURCE, imported.c.reference == step)
        return bool(await session.scalar(select(marked)))


async def _mark(session: PlatformSession, step: str, at: datetime) -> bool:
    row = insert(imported).values(source=SOURCE, reference=step, imported_at=at).on_conflict_do_nothing()
    return (await session.execute(row.returning(imported.c.reference))).first() is not None


async def _once(tx: Transaction, step: str, at: datetime) -> bool:
    """Whether this transaction is the one that does the step."""
    async with tx.as_platform() as session:
        return await _mark(session, step, at)


async def _always(tx: Transaction, step: str, at: datetime) -> bool:
    return True


async def _rules(database: Database, at: Act) -> None:
    """Zone, categories, the plan, and everybody's accounts."""

    async def work(tx: Transaction) -> None:
        if not await _once(tx, "rules", at.at):
            return
        async with tx.as_platform() as session:
            await set_mall_zone(session, mall.TIME_ZONE, at)
            for code, (name, parent) in mall.CATEGORIES.items():
                await category.create_category(session, code, name, at, parent=parent)
            await commission.install(session, mall.PLAN_NAME, parse_plan(mall.PLAN), PLAN_FROM, at)
            buyers = {buyer.email for buyer in mall.BUYERS}
            for email in mall.everybody():
                shown = None if email in buyers else email
                account_id = await account_of(session, DevelopmentIssuer.ISSUER, email, shown, at=at.at)
                if role := mall.PLATFORM_STAFF.get(email):
                    await staff.grant_platform_role(session, account_id, role, at)

    await database.run(SYSTEM, work)


async def _merchants(database: Database, at: datetime) -> None:
    """Provisioned all at once, in a transaction of the owner, which says by itself whether it was done."""
    world = await read_world(database)
    missing = [stall for stall in STALLS if stall.slug not in world.merchants]
    if missing:
        shops = [_shop(stall, world) for stall in missing]
        await merchants.create_async(database.logins.owner, blueprint(), shops, Act(SYSTEM, at, at))

    async def work(tx: Transaction) -> None:
        if await _once(tx, "staff", at):
            main = (await read_world(database)).merchants[mall.MAIN]
            async with tx.as_platform() as session:
                for email, role in mall.STAFF.items():
                    if role is not MerchantRole.OWNER:
                        await staff.grant_role(session, world.accounts[email], main, role, Act(SYSTEM, at, at))

    await database.run(SYSTEM, work)


async def _payees(database: Database, vault: Vault, at: datetime) -> None:
    """Where the merchants are paid."""
    world = await read_world(database)

    async def work(tx: Transaction) -> None:
        if await _once(tx, "payees", at):
            for stall in STALLS:
                await payees.add_accounts(tx, vault, world, stall, at)

    await database.run(SYSTEM, work)


def _shop(stall: Stall, world: World) -> NewShop:
    rates = {"standard": ("Standard", 1290, 900), "express": ("Express", 2990, 2400)}
    options = [
        ShippingOption(code, title, {"BRL": brl, "USD": usd} if stall.sells_in_usd else {"BRL": brl})
        for code, (title, brl, usd) in rates.items()
    ]
    return NewShop(
        slug=stall.slug,
        legal_name=f"{stall.name} Comércio Ltda",
        display_name=stall.name,
        category=stall.category,
        time_zone=stall.time_zone,
        currency="BRL",
        commission_plan=mall.PLAN_NAME,
        settlement_cycle=stall.cycle,
        shipping_options=options,
        owner=world.accounts[mall.owner_of(stall.slug)],
    )


async def _products(database: Database, world: World, stall: Stall, begin: datetime) -> None:
    """A merchant's products, published one after the other."""
    owner = f"staff:{world.accounts[mall.owner_of(stall.slug)]}"

    async def work(tx: Transaction) -> None:
        if not await _once(tx, f"products of {stall.slug}", begin):
            return
        sold = 0
        async with tx.as_merchant(world.merchants[stall.slug]) as session:
            for number, item in enumerate(stall.items):
                at = act(owner, begin - (len(stall.items) - number) * DAY - STALLS.index(stall) * DAY / 24)
                variants = _variants(stall, number, sold)
                sold += len(variants)
                product_id = await catalogue.create_product(
                    session,
                    title=item.title,
                    description=f"{item.title} by {stall.name}.",
                    category=item.category,
                    image_urls=[f"https://images.mall.example/{stall.slug}/{number + 1}.jpg"],
                    variants=variants,
                    act=at,
                )
                await catalogue.publish(session, product_id, at)

    await database.run(SYSTEM, work)


def _variants(stall: Stall, number: int, sold: int) -> list[NewVariant]:
    """Of the first of a merchant's variants there are plenty, of the others the last pieces."""
    item = stall.items[number]
    made = []
    for position, title in enumerate(item.variants):
        price = item.price_minor + position * (item.price_minor // 100) * 10
        prices = {"BRL": price, "USD": price // 5} if stall.sells_in_usd else {"BRL": price}
        on_hand = 80 if sold + position < SHARED else 1 + (number + position) % 3
        made.append(
            NewVariant(mall.sku_of(stall, number, position), "" if len(item.variants) == 1 else title, prices, on_hand)
        )
    return made
