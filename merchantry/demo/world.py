"""Who and what is in the demo's mall already: ids by the names that the story uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from merchantry.demo import mall
from merchantry.demo.mall import STALLS
from merchantry.domain.act import Act
from merchantry.services import catalogue
from merchantry.services.variant import Variant
from tenancy.database import Database
from tenancy.tables import account, merchant
from tenancy.tokens import DevelopmentIssuer

SYSTEM = "system:demo"


@dataclass(frozen=True, slots=True)
class World:
    """Accounts by address, merchants and their variants by slug, the variants in the order of ``STALLS``."""

    accounts: Mapping[str, UUID]
    merchants: Mapping[str, UUID]
    variants: Mapping[str, Sequence[Variant]]


def act(actor: str, at: datetime) -> Act:
    """Something that was booked when it happened."""
    return Act(actor, at, at)


async def read_world(database: Database) -> World:
    """Whatever of it is there."""
    slugs = [stall.slug for stall in STALLS]
    async with database.read(SYSTEM) as tx:
        async with tx.as_platform() as session:
            issued = account.c.issuer == DevelopmentIssuer.ISSUER
            known = account.c.subject == func.any(mall.everybody())
            rows = await session.execute(select(account.c.subject, account.c.id).where(issued, known))
            accounts = {row.subject: row.id for row in rows}
            named = select(merchant.c.slug, merchant.c.id).where(merchant.c.slug == func.any(slugs))
            merchants = {row.slug: row.id for row in await session.execute(named)}
        variants = {}
        for slug, merchant_id in merchants.items():
            async with tx.as_merchant(merchant_id) as merchant_session:
                found = await catalogue.products(merchant_session, 100)
                made = [variant for product in found for variant in product.variants]
                variants[slug] = sorted(made, key=lambda variant: variant.sku)
    return World(accounts, merchants, variants)
