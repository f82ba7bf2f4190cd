"""Merchants are provisioned whole or not at all, suspended at once, and have staff."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import select

from merchantry.domain.errors import InvalidInput, MarketError, NotFound, SlugTaken, UnknownCurrency
from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import ledger, mall, merchant, staff
from merchantry.services.audit_search import EVERYTHING, AuditFilter, events
from merchantry.services.merchant import ShippingOption
from merchantry.tables.merchant import counter
from tenancy.database import Database
from tenancy.directory import Directory
from tenancy.tables import merchant as merchant_table
from tests.builders import ISSUER, NOON, a_buyer, a_merchant, a_shop, an_act, some_merchants


async def slugs(database: Database) -> list[str]:
    async with database.read("test") as tx, tx.as_platform() as session:
        return list((await session.execute(select(merchant_table.c.slug).order_by(merchant_table.c.slug))).scalars())


async def test_several_merchants_are_made_at_once_with_profiles_and_numbers_of_their_own(database: Database) -> None:
    made = await some_merchants(database, a_shop("kites"), a_shop("boats", currency="EUR", settlement_cycle="monthly"))
    more = await a_merchant(database, "later")
    async with database.read("test") as tx, tx.as_platform() as session:
        profiles = await merchant.profiles_of(session, [shop.id for shop in (*made, more)])
    assert [profiles[shop.id].number for shop in (*made, more)] == [100_001, 100_002, 100_003]
    boats = profiles[made[1].id]
    assert (boats.currency, boats.settlement_cycle, boats.legal_name) == ("EUR", "monthly", "Boats Ltda")
    assert boats.shipping_options[0] == ShippingOption("standard", "Standard", {"BRL": 1000, "EUR": 300})


async def test_a_taken_slug_makes_none_of_the_batch(database: Database) -> None:
    await a_merchant(database, "kites")
    with pytest.raises(SlugTaken) as refusal:
        await some_merchants(database, a_shop("boats"), a_shop("kites"))
    assert refusal.value.path == ("slug",)
    assert refusal.value.slug == "kites"
    with pytest.raises(SlugTaken):
        await some_merchants(database, a_shop("twins"), a_shop("twins"))
    assert await slugs(database) == ["kites"]


@pytest.mark.parametrize(
    ("profile", "path"),
    [
        ({"slug": "Kites"}, ("slug",)),
        ({"slug": "-kites"}, ("slug",)),
        ({"slug": "k" * 64}, ("slug",)),
        ({"slug": "kites\n"}, ("slug",)),
        ({"time_zone": "Europe/Atlantis"}, ("time_zone",)),
        ({"time_zone": "../etc/passwd"}, ("time_zone",)),
        ({"time_zone": "Europe"}, ("time_zone",)),
        ({"time_zone": ""}, ("time_zone",)),
        ({"settlement_cycle": "hourly"}, ("settlement_cycle",)),
        ({"seller_of_record": "nobody"}, ("seller_of_record",)),
        ({"legal_name": "  "}, ("legal_name",)),
        ({"display_name": "A\x00B"}, ("display_name",)),
        ({"category": "x" * 201}, ("category",)),
        ({"complete_days_after_delivery": -1}, ("complete_days_after_delivery",)),
        ({"shipping_options": (ShippingOption("", "Post", {}),)}, ("shipping_options", 0, "code")),
        ({"shipping_options": (ShippingOption("a", "A", {"BRL": -1}),)}, ("shipping_options", 0, "prices", "BRL")),
        ({"shipping_options": (ShippingOption("a", "A", {}),) * 2}, ("shipping_options",)),
    ],
)
async def test_a_field_that_cannot_be_right_is_named(
    database: Database, profile: dict[str, object], path: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        merchant.check(replace(a_shop("kites"), **profile))  # type: ignore[arg-type]
    assert refusal.value.path == path
    merchant.check(a_shop("kites"))


async def test_an_unknown_currency_is_refused_before_anything_is_made(database: Database) -> None:
    with pytest.raises(UnknownCurrency) as refusal:
        await some_merchants(database, a_shop("fine"), a_shop("kites", currency="XXX"))
    assert refusal.value.path == ("currency",)
    assert await slugs(database) == []


async def test_the_owner_is_staff_from_the_start_and_must_exist(database: Database) -> None:
    owner = await a_buyer(database, "owner@kites.test")
    kites = await a_merchant(database, "kites", owner=owner)
    boats = await a_merchant(database, "boats")
    async with database.read("test") as tx, tx.as_platform() as session:
        assert [(member.account_id, member.role) for member in await staff.staff(session, kites.id)] == [
            (owner, MerchantRole.OWNER)
        ]
        assert await staff.staff(session, boats.id) == []
    with pytest.raises(InvalidInput) as refusal:
        await a_merchant(database, "ghosts", owner=uuid4())
    assert refusal.value.path == ("owner",)
    assert await slugs(database) == ["boats", "kites"]


async def test_creation_is_in_the_new_merchants_own_audit_trail(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    async with database.read("test") as tx:
        async with tx.as_merchant(kites.id) as session:
            [event] = await events(session, EVERYTHING, 10)
        async with tx.as_merchant(boats.id) as session:
            assert await events(session, AuditFilter(merchants=[kites.id]), 10) == []
    assert (event.act, event.subject, event.occurred_at) == ("merchant.create", str(kites.id), NOON)
    assert event.after is not None
    assert event.after["slug"] == "kites"


async def test_suspending_shows_in_the_directory_and_the_audit_trail(database: Database) -> None:
    kites = await a_merchant(database, "kites")
    directory = Directory(database)
    for status in ("suspended", "suspended", "active"):
        async with database.write("test") as tx, tx.as_platform() as session:
            changed = await merchant.set_status(session, "kites", status, an_act("account:reviewer"))
        assert changed.status == status
        assert await directory.merchant_by_slug("kites") == changed
    async with database.read("test") as tx, tx.as_platform() as session:
        changes = await events(session, AuditFilter(merchants=[kites.id], act="merchant.set_status"), 10)
    assert sorted(str(event.after) for event in changes) == ["{'status': 'active'}", "{'status': 'suspended'}"]
    assert {event.actor for event in changes} == {"account:reviewer"}


async def test_only_merchants_that_exist_can_be_suspended_or_made_active(database: Database) -> None:
    await a_merchant(database, "kites")
    refused: list[tuple[str, str, type[MarketError]]] = [
        ("boats", "suspended", NotFound),
        ("kites", "closed", InvalidInput),
    ]
    for slug, status, problem in refused:
        with pytest.raises(problem):
            async with database.write("test") as tx, tx.as_platform() as session:
                await merchant.set_status(session, slug, status, an_act())


async def test_merchants_are_paged_by_slug(database: Database) -> None:
    await some_merchants(database, *(a_shop(slug) for slug in ("c", "a", "d", "b")))
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchant.set_status(session, "b", "suspended", an_act())
        page = await merchant.list_merchants(session, 2)
        assert [listed.merchant.slug for listed in page] == ["a", "b", "c"]
        rest = await merchant.list_merchants(session, 2, page[1].cursor)
        assert [listed.merchant.slug for listed in rest] == ["c", "d"]
        [suspended] = await merchant.list_merchants(session, 5, status="suspended")
    assert (suspended.merchant.slug, suspended.profile.display_name) == ("b", "B")


async def test_a_merchant_reads_its_own_profile_and_no_others(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    async with database.read("test") as tx, tx.as_merchant(kites.id) as session:
        assert (await merchant.profile_of(session, kites.id)).display_name == "Kites"
        with pytest.raises(NotFound):
            await merchant.profile_of(session, boats.id)


async def test_a_shop_is_public_while_its_merchant_is_active(database: Database) -> None:
    await some_merchants(database, a_shop("kites"), a_shop("boats"))
    async with database.write("test") as tx:
        async with tx.as_platform() as session:
            await merchant.set_status(session, "boats", "suspended", an_act())
        async with tx.as_public() as public:
            shown = await merchant.shop(public, "kites")
            assert shown is not None
            assert shown.profile.display_name == "Kites"
            assert await merchant.shop(public, "boats") is None


async def test_roles_are_granted_once_seen_by_the_directory_and_revoked(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    directory = Directory(database)
    clerk = (await directory.principal(ISSUER, "clerk", None)).account_id
    assert clerk is not None
    async with database.write("test") as tx, tx.as_platform() as session:
        for _ in range(2):
            await staff.grant_role(session, clerk, kites.id, MerchantRole.FULFILMENT, an_act())
        await staff.grant_platform_role(session, clerk, PlatformRole.ANALYST, an_act())
    principal = await directory.principal(ISSUER, "clerk", None)
    assert principal.memberships == {kites.id: frozenset({"fulfilment"})}
    assert principal.roles_in(boats.id) == frozenset()
    assert principal.platform_roles == frozenset({"analyst"})
    async with database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, clerk, kites.id, MerchantRole.FULFILMENT, an_act())
        await staff.revoke_platform_role(session, clerk, PlatformRole.ANALYST, an_act())
        granted = [each.act for each in await events(session, AuditFilter(merchants=[kites.id]), 10)]
    principal = await directory.principal(ISSUER, "clerk", None)
    assert (principal.memberships, principal.platform_roles) == ({}, frozenset())
    assert sorted(granted) == ["merchant.create", "role.grant", "role.revoke"]


async def test_roles_of_nobody_and_nowhere_are_refused(database: Database) -> None:
    kites = await a_merchant(database)
    clerk = await a_buyer(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        with pytest.raises(NotFound):
            await staff.grant_role(session, uuid4(), kites.id, MerchantRole.OWNER, an_act())
        with pytest.raises(NotFound):
            await staff.grant_role(session, clerk, uuid4(), MerchantRole.OWNER, an_act())
        with pytest.raises(NotFound):
            await staff.revoke_role(session, clerk, kites.id, MerchantRole.OWNER, an_act())
        await staff.grant_role(session, clerk, kites.id, MerchantRole.OWNER, an_act())
        assert len(await staff.staff(session, kites.id)) == 1


async def test_the_malls_zone_is_fixed_once_money_moved(database: Database) -> None:
    kites = await a_merchant(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        await mall.set_mall_zone(session, "America/Sao_Paulo", an_act())
        assert str(await mall.mall_zone(session)) == "America/Sao_Paulo"
        with pytest.raises(InvalidInput):
            await mall.set_mall_zone(session, "Mars/Olympus", an_act())
    async with database.write("test") as tx:
        async with tx.as_merchant(kites.id) as merchant_session:
            nothing = (Posting(Account.BUYER_FUNDS, "BRL", 0), Posting(Account.MERCHANT_PENDING, "BRL", 0))
            entry = Entry(EntryKind.CAPTURE, None, NOON, None, None, nothing, {})
            await ledger.book(merchant_session, entry, an_act())
        async with tx.as_platform() as session:
            with pytest.raises(InvalidInput) as refusal:
                await mall.set_mall_zone(session, "UTC", an_act())
            assert "America/Sao_Paulo" in refusal.value.message
            await mall.set_mall_zone(session, "America/Sao_Paulo", an_act())
    async with database.read("test") as tx, tx.as_merchant(kites.id) as session_of_merchant:
        assert str(await mall.mall_zone(session_of_merchant)) == "America/Sao_Paulo"


async def test_a_new_merchants_schema_starts_empty_and_counting_from_zero(database: Database) -> None:
    kites = await a_merchant(database)
    async with database.read("test") as tx, tx.as_merchant(kites.id) as session:
        rows = await session.execute(select(counter.c.name, counter.c.value).order_by(counter.c.name))
        assert [tuple(row) for row in rows] == [
            (name, 0)
            for name in (
                "credit_note",
                "entry",
                "invoice",
                "order",
                "payout",
                "self_billed",
                "self_billed_credit",
                "statement",
            )
        ]
