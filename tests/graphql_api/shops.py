"""The mall of tests that send bad input: a merchant that sells, and one that is suspended."""

from dataclasses import dataclass
from typing import Any

from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import catalogue
from merchantry.services import merchant as merchants
from merchantry.services.variant import NewVariant
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.documents import a_line
from tests.graphql_api.mall import Mall


@dataclass
class Shops:
    """A mall with a merchant that sells, one that is suspended, and one that nobody bought from."""

    mall: Mall
    open: Merchant
    closed: Merchant
    kite: catalogue.Product
    draft: catalogue.Product
    gone: catalogue.Product

    def line(self, **changed: Any) -> dict[str, Any]:
        """A line that can be sold, but for what is changed."""
        return {**a_line(self.open, self.kite), **changed}

    async def reserved(self) -> int:
        """Pieces reserved at the open merchant."""
        async with self.mall.database.read("test") as tx, tx.as_merchant(self.open.id) as session:
            product = await catalogue.product(session, self.kite.id)
        return sum(variant.reserved for variant in product.variants)


async def open_shops(mall: Mall) -> Shops:
    """Fill a mall with them."""
    database = mall.database
    first, closed = await a_merchant(database, "open"), await a_merchant(database, "closed")
    dear = NewVariant("DEAR", "Dear", {"BRL": 10**15}, 1000)
    usual = NewVariant("KITE", "Kite", {"BRL": 10_000}, 10)
    kite = await a_product(database, first, variants=[usual, dear])
    draft = await a_product(database, first, title="Draft", prices={"BRL": 10_000}, is_published=False)
    gone = await a_product(database, closed, prices={"BRL": 10_000})
    await mall.hire("olga", first, MerchantRole.OWNER)
    await mall.hire("otto", closed, MerchantRole.OWNER)
    await mall.appoint("adam", PlatformRole.ADMIN)
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchants.set_status(session, "closed", "suspended", an_act())
    return Shops(mall, first, closed, kite, draft, gone)


def a_mutation(name: str, kind: str) -> str:
    """A mutation that answers its problem."""
    return f"mutation ($i: {kind}!) {{ {name}(input: $i) {{ __typename ... on Problem {{ message path }} }} }}"
