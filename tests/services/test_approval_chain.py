"""Chains of approvals that the platform sets: by two people, in versions, for cases opened from then on."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from merchantry.domain.case import CaseKind, Step
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.services import approval_chain, case
from merchantry.services.case import NewCase
from merchantry.tables.platform import NOBODY, audit_event
from tenancy.database import Database
from tests.builders import a_merchant, an_act

KIND = CaseKind.REFUND_APPROVAL
THREE = (Step(None, 1), Step({"EUR": 10_000}, 3))


async def propose(database: Database, by: str = "platform:a") -> int:
    async with database.write("test") as tx, tx.as_platform() as session:
        return (await approval_chain.propose(session, KIND, THREE, an_act(by))).version


async def approve(database: Database, version: int, by: str = "platform:b") -> None:
    async with database.write("test") as tx, tx.as_platform() as session:
        await approval_chain.approve(session, KIND, version, an_act(by))


async def needed(database: Database, merchant_id: UUID, amount_minor: int, currency: str = "EUR") -> int:
    new = NewCase(KIND, merchant_id, "order", str(uuid4()), "A refund", currency=currency, amount_minor=amount_minor)
    async with database.write("test") as tx:
        async with tx.as_merchant(merchant_id) as session:
            case_id = await case.open_case(session, new, an_act("staff:test"))
        async with tx.as_platform() as platform:
            return (await case.held(platform, merchant_id, case_id)).approvals_needed


async def test_a_chain_holds_once_a_second_person_has_approved_it(database: Database) -> None:
    merchant = await a_merchant(database)
    usual = await needed(database, merchant.id, 20_000)
    version = await propose(database)
    assert await needed(database, merchant.id, 20_000) == usual == 1
    for by in ("platform:a", "staff:a"):
        with pytest.raises(InvalidInput, match="second person"):
            await approve(database, version, by)
    await approve(database, version)
    found = [await needed(database, merchant.id, amount) for amount in (10_000, 10_001)]
    assert (found, await needed(database, merchant.id, 1, "KWD")) == ([1, 3], 3)
    with pytest.raises(InvalidInput, match="already"):
        await approve(database, version)
    async with database.read("test") as tx, tx.as_platform() as session:
        statement = select(audit_event.c.act, audit_event.c.actor).where(
            audit_event.c.merchant_id == NOBODY, audit_event.c.subject == f"{KIND} {version}"
        )
        acts = {(row.act, row.actor) for row in await session.execute(statement)}
        kept = await approval_chain.page(session, limit=10, after=None)
    assert acts == {("approval_chain.propose", "platform:a"), ("approval_chain.approve", "platform:b")}
    assert [(each.version, each.chain, each.approved_by) for each in kept] == [(version, THREE, "platform:b")]


async def test_only_the_latest_proposal_can_be_approved(database: Database) -> None:
    first = await propose(database)
    await propose(database)
    with pytest.raises(InvalidInput, match="later version"):
        await approve(database, first)
    with pytest.raises(NotFound):
        await approve(database, 99)
