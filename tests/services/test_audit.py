"""The audit trail: written with the act, by its merchant or the platform, and never changed."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from merchantry.services import audit
from merchantry.services.audit_search import EVERYTHING, AuditFilter, events
from merchantry.tables.platform import NOBODY, audit_event
from tenancy.database import Database, sqlstate
from tests.builders import NOON, a_shop, an_act, some_merchants

REFUSED = "42501"


async def two(database: Database) -> tuple[UUID, UUID]:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    return kites.id, boats.id


async def test_events_are_paged_newest_first_and_keep_what_was_before_and_after(database: Database) -> None:
    kites, boats = await two(database)
    acts = [an_act("account:x", NOON + timedelta(minutes=minute)) for minute in (1, 2, 3, 3)]
    async with database.write("test") as tx, tx.as_merchant(kites) as session:
        for number, act in enumerate(acts):
            await audit.record(session, kites, act, f"test.{number}", "it", {"n": number} if number else None, {"n": 0})
        page = await events(session, EVERYTHING, 2)
        rest = await events(session, EVERYTHING, 5, page[1].cursor)
    found = [event.act for event in [*page[:2], *rest]]
    assert sorted(found[:2]) == ["test.2", "test.3"]
    assert found[2:] == ["test.1", "test.0", "merchant.create"]
    assert (rest[0].before, rest[1].before, rest[1].after) == ({"n": 1}, None, {"n": 0})
    async with database.read("test") as tx, tx.as_merchant(boats) as session:
        assert [each.act for each in await events(session, EVERYTHING, 10)] == ["merchant.create"]


async def test_a_merchant_writes_no_events_of_another_and_changes_none(database: Database) -> None:
    kites, boats = await two(database)
    for attempt in (
        lambda session: audit.record(session, boats, an_act(), "forged", "it"),
        lambda session: audit.record(session, NOBODY, an_act(), "forged", "it"),
        lambda session: session.execute(update(audit_event).values(actor="nobody")),
        lambda session: session.execute(delete(audit_event)),
    ):
        with pytest.raises(DBAPIError) as refusal:
            async with database.write("test") as tx, tx.as_merchant(kites) as session:
                await attempt(session)
        assert sqlstate(refusal.value) == REFUSED


async def test_the_platform_writes_for_any_merchant_and_for_nobody_but_changes_nothing(database: Database) -> None:
    kites, _ = await two(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        await audit.record(session, NOBODY, an_act(), "plan.approve", "standard/1")
        await audit.record(session, kites, an_act(), "case.decide", "1")
        assert len(await events(session, EVERYTHING, 10)) == 4
        assert [each.subject for each in await events(session, AuditFilter(merchants=[NOBODY]), 10)] == ["standard/1"]
    with pytest.raises(DBAPIError):
        async with database.write("test") as tx, tx.as_platform() as session:
            await session.execute(delete(audit_event))


async def test_what_is_rolled_back_is_in_no_trail(database: Database) -> None:
    kites, _ = await two(database)

    async def fail() -> None:
        async with database.write("test") as tx, tx.as_merchant(kites) as session:
            await audit.record(session, kites, an_act(), "product.create", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.read("test") as tx, tx.as_merchant(kites) as session:
        assert [each.act for each in await events(session, EVERYTHING, 10)] == ["merchant.create"]
