"""What must be there before the first checkout: zone, plan, categories, merchants, products, buyers."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.plan import Plan
from merchantry.domain.plan_document import plan_document
from merchantry.domain.worded import Worded
from merchantry.imports.olist.files import CURRENCY, ZONE
from merchantry.imports.olist.model import Sale, slug_of
from merchantry.imports.olist.sale import ACTOR, SOURCE
from merchantry.services import category, commission
from merchantry.services import merchant as merchants
from merchantry.services.catalogue import create_product
from merchantry.services.mall import set_mall_zone
from merchantry.services.merchant import MAX_DAYS, NewShop
from merchantry.services.terms import Terms, terms_of
from merchantry.services.variant import NewVariant, adjust_stock, variants_by_sku
from merchantry.tables.blueprint import blueprint
from merchantry.tables.platform import commission_plan, imported, merchant_profile
from tenancy.database import Database, MerchantSession, PlatformSession
from tenancy.directory import accounts_of
from tenancy.tables import merchant

PLAN_SINCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
BATCH_OF_MERCHANTS: Final = 25
BATCH_OF_ROWS: Final = 1_000


def plan_name(plan: Plan) -> str:
    """The name under which the plan is installed: equal plans have equal names."""
    text = json.dumps(plan_document(plan), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{SOURCE}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


async def prepare_mall(database: Database, plan: Plan, categories: Collection[str], act: Act) -> None:
    """Zone, plan and categories, all or nothing.

    Raises InvalidInput where money has moved in another zone, or merchants of this source are on another plan.
    """
    async with database.write(ACTOR) as tx, tx.as_platform() as session:
        await set_mall_zone(session, ZONE.key, act)
        await _install_plan(session, plan, act)
        known = {each.code for each in await category.categories(session)}
        for code in sorted(set(categories) - known):
            await category.create_category(session, code, code.replace("_", " ").capitalize(), act)


async def _install_plan(session: PlatformSession, plan: Plan, act: Act) -> None:
    name = plan_name(plan)
    others = (
        select(merchant_profile.c.commission_plan)
        .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
        .where(merchant.c.slug.startswith(f"{SOURCE}-"), merchant_profile.c.commission_plan != name)
        .limit(1)
    )
    other = await session.scalar(others)
    if other is not None:
        reason = Worded(
            "The merchants imported before are on the plan {other}, and this one is {name}; give the "
            "same plan again, or another --data-dir (or an empty database) for a new import.",
            other=other,
            name=name,
        )
        raise InvalidInput(reason=reason, path=("plan",))
    if await session.scalar(select(commission_plan.c.name).where(commission_plan.c.name == name).limit(1)) is None:
        await commission.install(session, name, plan, PLAN_SINCE, act)


async def imported_before(database: Database) -> set[str]:
    """The ids of the checkouts that are in the database already."""
    statement = select(imported.c.reference).where(imported.c.source == SOURCE)
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        return {row.reference for row in await session.execute(statement)}


async def known_merchants(database: Database, seller_ids: Iterable[str]) -> dict[str, UUID]:
    """The merchants that are in the database already, by seller."""
    by_slug = {slug_of(seller_id): seller_id for seller_id in seller_ids}
    statement = select(merchant.c.slug, merchant.c.id).where(merchant.c.slug == func.any(list(by_slug)))
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        return {by_slug[row.slug]: row.id for row in await session.execute(statement)}


async def provision(
    database: Database, seller_ids: list[str], plan: Plan, act: Act, done: Callable[[int], None]
) -> dict[str, UUID]:
    """New merchants, some at a time; each batch is whole or not there."""
    made: dict[str, UUID] = {}
    for start in range(0, len(seller_ids), BATCH_OF_MERCHANTS):
        batch = seller_ids[start : start + BATCH_OF_MERCHANTS]
        shops = [_shop(seller_id, plan_name(plan)) for seller_id in batch]
        await merchants.create_async(database.logins.owner, blueprint(), shops, act)
        made |= {seller_id: shop.id for seller_id, shop in zip(batch, shops, strict=True)}
        done(len(batch))
    return made


def _shop(seller_id: str, plan: str) -> NewShop:
    name = f"Olist seller {seller_id[:10]}"
    return NewShop(
        slug=slug_of(seller_id),
        legal_name=name,
        display_name=name,
        category="marketplace",
        time_zone=ZONE.key,
        currency=CURRENCY,
        commission_plan=plan,
        complete_days_after_shipping=MAX_DAYS,  # the files tell of every delivery, however late
    )


async def terms_by_merchant(database: Database, merchant_ids: Collection[UUID], at: datetime) -> dict[UUID, Terms]:
    """The terms of all merchants of the import; they stay the same while it runs."""
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        return await terms_of(session, merchant_ids, at)


async def buyers(database: Database, subjects: Collection[str], at: datetime) -> dict[str, UUID]:
    """An account for each buyer."""
    found: dict[str, UUID] = {}
    wanted = sorted(set(subjects))
    for start in range(0, len(wanted), BATCH_OF_ROWS):
        async with database.write(ACTOR) as tx, tx.as_platform() as session:
            found |= await accounts_of(session, SOURCE, wanted[start : start + BATCH_OF_ROWS], at=at)
    return found


class Needs:
    """What the checkouts to come need of each seller's products: how many pieces, and the latest price."""

    def __init__(self, sales: Iterable[Sale]) -> None:
        self.pieces: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.price_minor: dict[tuple[str, str], int] = {}
        for sale in sales:  # in the order in which they were placed
            for order in sale.orders:
                for line in order.lines:
                    self.pieces[order.seller_id][line.product_id] += line.quantity
                    self.price_minor[order.seller_id, line.product_id] = line.unit_price_minor


async def stock(
    session: MerchantSession, seller_id: str, needs: Needs, categories: Mapping[str, str], act: Act
) -> dict[tuple[str, str], UUID]:
    """One seller's products with enough of each on hand; returns the variants."""
    wanted = needs.pieces[seller_id]
    held = await variants_by_sku(session, list(wanted))
    missing = wanted.keys() - held.keys()
    for product_id in sorted(missing):
        price = {CURRENCY: needs.price_minor[seller_id, product_id]}
        title = f"{categories[product_id].replace('_', ' ').capitalize()} {product_id[:8]}"
        await create_product(
            session,
            title=title,
            description="",
            category=categories[product_id],
            image_urls=(),
            variants=[NewVariant(product_id, "", price, on_hand=wanted[product_id])],
            act=act,
        )
    for product_id, variant in held.items():
        if variant.available < wanted[product_id]:
            await adjust_stock(session, variant.id, wanted[product_id] - variant.available, act)
    if missing:
        held |= await variants_by_sku(session, list(missing))
    return {(seller_id, sku): each.id for sku, each in held.items()}
