"""Versions of plans: no two begin together, somebody else decides, and what has no effect is told."""

from typing import Any

import pytest

from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.plan_document import parse_plan
from merchantry.services import commission
from merchantry.services.commission import PlanVersion
from tenancy.database import Database
from tests.builders import NOON, a_category, a_merchant, an_act
from tests.services.sales import DAY, a_plan

ANN, BEN = "platform:ann", "platform:ben"


async def propose(database: Database, days: int = 1, who: str = ANN, **plan: Any) -> PlanVersion:
    async with database.write("test") as tx, tx.as_platform() as session:
        document = parse_plan(a_plan() | plan)
        return await commission.propose(session, "standard", document, NOON + days * DAY, an_act(who))


async def reject(database: Database, version: int, who: str = BEN, reason: str = "too dear") -> PlanVersion:
    async with database.write("test") as tx, tx.as_platform() as session:
        return await commission.reject(session, "standard", version, reason, an_act(who))


async def approve(database: Database, version: int, who: str = BEN) -> PlanVersion:
    async with database.write("test") as tx, tx.as_platform() as session:
        return await commission.approve(session, "standard", version, an_act(who))


async def test_two_versions_do_not_begin_at_the_same_moment(database: Database) -> None:
    await propose(database)
    with pytest.raises(InvalidInput, match="Version 1, which is proposed, begins at the same moment") as refused:
        await propose(database)
    assert refused.value.path == ("effective_from",)
    await approve(database, 1)
    with pytest.raises(InvalidInput, match="which is approved"):
        await propose(database)
    assert (await propose(database, days=2)).version == 2


async def test_a_rejected_version_makes_room_and_is_never_approved(database: Database) -> None:
    await propose(database)
    rejected = await reject(database, 1)
    assert (rejected.status, rejected.approved_by, rejected.approved_at) == ("rejected", BEN, NOON)
    with pytest.raises(InvalidInput, match="rejected already"):
        await approve(database, 1)
    with pytest.raises(InvalidInput, match="rejected already"):
        await reject(database, 1)
    assert (await propose(database)).version == 2
    with pytest.raises(InvalidInput, match="Say why"):
        await reject(database, 2, reason=" ")
    with pytest.raises(NotFound):
        await reject(database, 3)


async def test_what_can_have_no_effect_is_told(database: Database) -> None:
    await a_merchant(database, "acme", category="antiques")
    await a_merchant(database, "elsewhere", category="food", commission_plan="other")
    await a_category(database, "toys")
    plan = parse_plan(
        a_plan()
        | {
            "merchants": {"acme": {"rate_bps": 1}, "nobody": {"rate_bps": 2}, "elsewhere": {"rate_bps": 3}},
            "product_categories": {"toys": {"rate_bps": 4}, "gone": {"rate_bps": 5}},
            "merchant_categories": {"food": {"rate_bps": 6}},
        }
    )
    async with database.read("test") as tx, tx.as_platform() as session:
        found = dict(await commission.warnings_of(session, "standard", plan))
        nobodys = dict(await commission.warnings_of(session, "new", plan))
    assert found["$.merchants.nobody"] == "name a merchant that exists; nobody does not"
    assert found["$.product_categories.gone"] == "name a product category that exists; gone does not"
    assert found["merchant:elsewhere"] == "can never apply: none of the merchants that it is for has this plan"
    shadowed = "can never apply: more exact rules apply to every line that it could be for"
    assert found["merchant_category:food"] == shadowed
    assert "merchant:acme" not in found
    assert "merchant:elsewhere" not in nobodys
