"""Who and what is in the demo's mall already: ids by the names that the story uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from merchantry.demo import mall
from merchantry.demo.mall import STALLS, skus_of
from merchantry.domain.act import Act
from merchantry.services.variant import Variant, variants
from merchantry.tables import merchant as tables
from tenancy.database import Database, MerchantSession
from tenancy.tables import account, merchant
from tenancy.tokens import DevelopmentIssuer

SYSTEM = "system:demo"


@dataclass(frozen=True, slots=True)
class World:
    """Accounts by address, merchants by slug, their variants by slug and SKU."""

    accounts: Mapping[str, UUID]
    merchants: Mapping[str, UUID]
    variants: Mapping[str, Mapping[str, Variant]]


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
        found = {}
        for stall in STALLS:
            if merchant_id := merchants.get(stall.slug):
                async with tx.as_merchant(merchant_id) as merchant_session:
                    found[stall.slug] = await _variants(merchant_session, skus_of(stall))
    return World(accounts, merchants, found)


async def _variants(session: MerchantSession, skus: Sequence[str]) -> dict[str, Variant]:
    known = await session.execute(select(tables.variant.c.id).where(tables.variant.c.sku == func.any(list(skus))))
    return {found.sku: found for found in (await variants(session, known.scalars().all())).values()}
