"""A buyer's contact data is sealed, shown only while its key is there, and destroyed in every merchant at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.domain.contact import ContactStatus
from merchantry.domain.erasure import KeptFor
from merchantry.domain.errors import NotFound
from merchantry.domain.order import OrderAct
from merchantry.domain.plan_document import parse_plan
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import worker
from merchantry.jobs.erasure import Erased, erase
from merchantry.jobs.tools import Tools
from merchantry.services import checkout, commission, contact, contact_conversion, erasure, keys
from merchantry.services import order as orders
from merchantry.services.verification import verify_books
from merchantry.tables.platform import NOBODY
from tenancy.database import Database, Transaction
from tenancy.principals import Merchant
from tenancy.schemas import schema_of
from tests.builders import NOON, VAULT, a_buyer, a_product, a_shop, an_act, some_merchants
from tests.graphql_api.mall import PLAN

ANA = Address("Ana Souza", "Rua do Sol 17", "Olinda", "53000-000", "BR", "+55 81 5550")
LATER = NOON + timedelta(days=1)


class Bought:
    """Two merchants, a buyer, and one checkout over both of them, given up or still open."""

    def __init__(self, database: Database, merchants: list[Merchant], buyer: UUID) -> None:
        self.database, self.merchants, self.buyer = database, merchants, buyer
        self.checkout_id = uuid4()
        self.orders: dict[UUID, UUID] = {}

    async def place(self) -> None:
        parts = []
        for merchant in sorted(self.merchants, key=lambda each: each.id.hex):
            product = await a_product(self.database, merchant)
            parts.append(CartPart(merchant.id, (CartLine(product.variants[0].id, 1, 5000),)))
        cart = Cart("BRL", ANA, tuple(parts), prices_agreed=False)
        async with self.database.write("test") as tx:
            await checkout.place(tx, cart, self.checkout_id, self.buyer, an_act(f"buyer:{self.buyer}"), vault=VAULT)
            async with tx.as_platform() as session:
                rows = await checkout.orders_of(session, [self.checkout_id])
                self.orders = {row.merchant_id: row.order_id for row in rows}

    async def give_up(self, merchant: Merchant) -> None:
        async with self.database.write("test") as tx, tx.as_merchant(merchant.id) as session:
            await orders.expire(session, self.orders[merchant.id], an_act(), by=OrderAct.EXPIRE)

    async def status_at(self, merchant: Merchant) -> ContactStatus:
        async with self.database.read("test") as tx, tx.as_merchant(merchant.id) as session:
            [found] = (await contact.of_orders(session, VAULT, [self.orders[merchant.id]])).values()
        assert (found.address == ANA.document()) is (found.status is ContactStatus.SHOWN)
        return found.status

    async def status_at_platform(self) -> ContactStatus:
        async with self.database.read("test") as tx, tx.as_platform() as session:
            return (await contact.of_checkouts(session, VAULT, [self.checkout_id]))[self.checkout_id].status

    async def ask(self) -> UUID:
        async with self.database.write("test") as tx, tx.as_platform() as session:
            return (await erasure.request(session, self.buyer, "they asked", an_act("platform:p"))).id

    async def erase(self) -> Erased:
        return await erase(self.database, await self.ask(), an_act("platform:p", LATER))


@pytest.fixture
async def bought(database: Database) -> Bought:
    merchants = await some_merchants(database, a_shop(), a_shop())
    made = Bought(database, merchants, await a_buyer(database, "ana@buyers.test"))
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, "standard", parse_plan(PLAN), NOON - timedelta(days=2000), an_act())
    await made.place()
    return made


def everything(database: Database, merchants: list[Merchant]) -> str:
    """All rows of the platform and of the merchants, as text."""
    told: list[str] = []
    with psycopg.connect(database.logins.owner) as connection:
        for schema in ("platform", *(schema_of(merchant.id) for merchant in merchants)):
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]).fetchall()
            for (name,) in tables:
                table = sql.Identifier(schema, str(name))
                told += map(str, connection.execute(sql.SQL("SELECT t::text FROM {} t").format(table)))
    return "\n".join(told)


async def test_nothing_in_the_database_says_in_clear_where_a_buyer_lives(bought: Bought) -> None:
    told = everything(bought.database, bought.merchants)
    assert not [part for part in (ANA.name, ANA.street, ANA.postal_code, ANA.phone) if str(part) in told]
    for merchant in bought.merchants:
        assert await bought.status_at(merchant) is ContactStatus.SHOWN
    assert await bought.status_at_platform() is ContactStatus.SHOWN


async def test_another_merchant_opens_no_contact_and_no_key_of_it(bought: Bought) -> None:
    first, second = bought.merchants
    async with bought.database.read("test") as tx, tx.as_merchant(second.id) as session:
        assert await contact.of_orders(session, VAULT, [bought.orders[first.id]]) == {}


async def test_erasure_destroys_it_in_all_merchants_and_forgets_the_account(bought: Bought) -> None:
    for merchant in bought.merchants:
        await bought.give_up(merchant)
    done = await bought.erase()
    assert (done.orders, done.kept, done.erasure.done_at) == (2, (), LATER)
    for merchant in bought.merchants:
        assert await bought.status_at(merchant) is ContactStatus.ERASED
    assert await bought.status_at_platform() is ContactStatus.ERASED
    told = everything(bought.database, bought.merchants)
    assert "ana@buyers.test" not in told
    named = [(merchant.id, merchant.slug) for merchant in bought.merchants]
    assert [each.broken async for each in verify_books(bought.database, named)] == [(), ()]
    assert (await bought.erase()).orders == 0


async def test_an_open_order_keeps_its_contact_until_it_has_ended(bought: Bought) -> None:
    first, second = bought.merchants
    await bought.give_up(first)
    done = await bought.erase()
    assert [(each.merchant_id, each.why, each.until) for each in done.kept] == [(second.id, KeptFor.OPEN_ORDER, None)]
    assert done.erasure.done_at is None
    assert await bought.status_at(first) is ContactStatus.ERASED
    assert await bought.status_at(second) is ContactStatus.SHOWN
    assert await bought.status_at_platform() is ContactStatus.SHOWN
    await bought.give_up(second)
    await _work(bought.database, LATER + timedelta(days=2))
    assert await bought.status_at(second) is ContactStatus.ERASED
    assert await bought.status_at_platform() is ContactStatus.ERASED


async def _work(database: Database, now: Any) -> None:
    tools = Tools(database, Sandbox(database, lambda: now, ""), lambda: now, VAULT)
    await worker.run_due(tools, now)


async def test_what_the_law_wants_kept_goes_at_the_end_of_its_time(bought: Bought) -> None:
    for merchant in bought.merchants:
        await bought.give_up(merchant)
    async with bought.database.write("test") as tx, tx.as_platform() as session:
        await erasure.set_keeping(session, 10, an_act())
    done = await bought.erase()
    assert {(each.why, each.until) for each in done.kept} == {(KeptFor.RETENTION, NOON + timedelta(days=10))}
    await _work(bought.database, NOON + timedelta(days=9))
    assert await bought.status_at_platform() is ContactStatus.SHOWN
    await _work(bought.database, NOON + timedelta(days=11))
    assert await bought.status_at_platform() is ContactStatus.ERASED


async def test_an_erasure_that_was_killed_between_merchants_goes_on(bought: Bought) -> None:
    for merchant in bought.merchants:
        await bought.give_up(merchant)
    await bought.ask()
    first, second = bought.merchants
    async with bought.database.write("test") as tx:
        await erasure.erase_at(tx, first.id, bought.buyer, an_act("platform:p", LATER))
    assert await bought.status_at(first) is ContactStatus.ERASED
    assert await bought.status_at(second) is ContactStatus.SHOWN
    await _work(bought.database, LATER)
    assert await bought.status_at(second) is ContactStatus.ERASED
    assert await bought.status_at_platform() is ContactStatus.ERASED


async def test_a_copy_of_an_order_that_is_put_back_stays_erased(bought: Bought) -> None:
    first, second = bought.merchants
    table = sql.Identifier(schema_of(first.id), "orders")
    with psycopg.connect(bought.database.logins.owner) as connection:
        [backup] = connection.execute(sql.SQL("SELECT contact FROM {}").format(table)).fetchone() or ()
    for merchant in (first, second):
        await bought.give_up(merchant)
    await bought.erase()
    with psycopg.connect(bought.database.logins.owner) as connection:
        connection.execute(sql.SQL("UPDATE {} SET contact = %s").format(table), [backup])
    assert await bought.status_at(first) is ContactStatus.ERASED


async def test_nobody_is_erased_who_is_not_there(database: Database) -> None:
    with pytest.raises(NotFound):
        async with database.write("test") as tx, tx.as_platform() as session:
            await erasure.request(session, uuid4(), "they asked", an_act())


async def test_addresses_in_clear_are_shown_until_they_are_sealed_and_nothing_is_lost(bought: Bought) -> None:
    first = bought.merchants[0]
    with psycopg.connect(bought.database.logins.owner) as connection:
        as_before, table = [Jsonb(ANA.document())], sql.Identifier(schema_of(first.id), "orders")
        connection.execute(sql.SQL("UPDATE {} SET ship_to = %s, contact = NULL").format(table), as_before)
        connection.execute("UPDATE platform.checkout SET ship_to = %s, contact = NULL", as_before)
        connection.execute("DELETE FROM platform.contact_key WHERE merchant_id IN (%s, %s)", [first.id, NOBODY])
    assert await bought.status_at(first) is ContactStatus.SHOWN

    async def seal(tx: Transaction) -> list[int]:
        async with tx.as_merchant(first.id) as session:
            counts = [await contact_conversion.seal_some(session, VAULT, an_act()) for _ in range(2)]
            counts.append(await contact_conversion.in_clear(session))
        async with tx.as_platform() as platform:
            return [*counts, await contact_conversion.seal_some(platform, VAULT, an_act())]

    assert await bought.database.run("test", seal) == [1, 0, 0, 1]
    assert await bought.status_at(first) is ContactStatus.SHOWN
    assert await bought.status_at_platform() is ContactStatus.SHOWN
    assert ANA.street not in everything(bought.database, bought.merchants)


async def test_a_new_data_key_opens_contacts_that_were_sealed_before(bought: Bought) -> None:
    first = bought.merchants[0]
    async with bought.database.write("test") as tx:
        for owner in (tx.as_merchant(first.id), tx.as_platform()):
            async with owner as session:
                await keys.renew(session, VAULT, LATER, an_act(at=LATER))
                last = await keys.re_encrypt_contacts(session, VAULT, NOBODY)
                assert last is not None
                assert await keys.re_encrypt_contacts(session, VAULT, last) is None
    assert await bought.status_at(first) is ContactStatus.SHOWN
    assert await bought.status_at_platform() is ContactStatus.SHOWN
