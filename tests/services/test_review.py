"""Review rules in life: what they flag and hold, what becomes of the money, and who decides."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from merchantry.domain.case import CaseKind, CaseStatus, Vote
from merchantry.domain.errors import OwnAct, PayoutRefused
from merchantry.domain.permission import MerchantRole
from merchantry.domain.refund import Asked
from merchantry.domain.review_document import parse_rules
from merchantry.services import case_decision, case_list, refund, refund_approval, review_rules
from merchantry.services.case import Case
from merchantry.services.case_effects import EFFECTS
from merchantry.services.refund import NewRefund
from merchantry.tables.merchant import orders
from merchantry.tables.platform import audit_event, notification
from merchantry.tables.review import review
from tenancy.database import Database
from tests.builders import NOON, an_act
from tests.services.stall import Stall, a_stall, check_books

DAY = timedelta(days=1)
LARGE = {
    "name": "large",
    "title": "A large order",
    "subject": "order",
    "kind": "amount",
    "outcome": "hold",
    "sla_hours": 24,
    "above_minor": {"BRL": 9_999},
}
OFTEN = {
    "name": "often",
    "title": "Many orders at once",
    "subject": "order",
    "kind": "velocity",
    "outcome": "flag",
    "sla_hours": 48,
    "of": "merchant",
    "more_than": 1,
    "hours": 1,
}


async def put_in_force(database: Database, *rules: Mapping[str, Any]) -> None:
    """These rules hold from the day before NOON on."""
    async with database.write("test") as tx, tx.as_platform() as session:
        read = parse_rules({"name": "Test", "rules": list(rules)})
        await review_rules.install(session, read, NOON - DAY, an_act())


async def a_judged_stall(database: Database, *rules: Mapping[str, Any], price_minor: int = 10_000) -> Stall:
    stall = await a_stall(database, price_minor)
    await put_in_force(database, *rules)
    return stall


async def verdicts(stall: Stall, trail_id: UUID | None = None) -> list[tuple[str, str]]:
    """Rules and outcomes, by rule."""
    statement = select(review.c.rule, review.c.outcome).order_by(review.c.subject, review.c.rule)
    if trail_id is not None:
        statement = statement.where(review.c.trail_id == trail_id)
    return [(row.rule, row.outcome) for row in await stall._rows(statement)]


async def cases(database: Database, kind: CaseKind = CaseKind.REVIEW) -> list[Case]:
    async with database.read("test") as tx, tx.as_platform() as session:
        return await case_list.page(session, limit=100, kinds=[kind])


async def decide(stall: Stall, vote: Vote, by: str | None = None, kind: CaseKind = CaseKind.REVIEW) -> None:
    """Somebody decides the one open case."""
    [found] = [each for each in await cases(stall.database, kind) if each.status is CaseStatus.OPEN]
    act = an_act(by or f"platform:{uuid4()}", stall.now)
    async with stall.database.write("test") as tx:
        await case_decision.decide(tx, stall.merchant.id, found.id, vote, "seen", act, effects=EFFECTS)


async def status_of(stall: Stall, order_id: UUID) -> str | None:
    [found] = await stall._rows(select(orders.c.review_status).where(orders.c.id == order_id))
    status: str | None = found.review_status
    return status


async def test_an_order_that_no_rule_minds_keeps_the_passes(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE, OFTEN, price_minor=5_000)
    order_id = await stall.sell()
    assert await verdicts(stall, order_id) == [("large", "pass"), ("often", "pass")]
    assert await cases(database) == []
    [row] = await stall._rows(select(review).where(review.c.rule == "large"))
    assert (row.version, row.figures) == (1, {"amount_minor": 5_000, "above_minor": 9_999, "currency": "BRL"})


async def test_a_flag_is_a_case_and_stops_nothing(database: Database) -> None:
    stall = await a_judged_stall(database, OFTEN)
    await stall.sell()
    order_id = await stall.sell()
    [found] = await cases(database)
    assert (found.subject_kind, found.subject_id) == ("Order", str(order_id))
    assert found.due_at == NOON + timedelta(hours=48)
    await stall.release(order_id)
    assert await status_of(stall, order_id) is None
    assert "merchant_held" not in await stall.balances()


async def test_held_money_is_in_the_held_balance_until_the_case_clears_it(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE)
    order_id = await stall.sell()
    await stall.release(order_id)
    balances = await stall.balances()
    assert (balances["merchant_held"], balances.get("merchant_available", 0)) == (8_750, 0)
    await decide(stall, Vote.APPROVE)
    balances = await stall.balances()
    assert (balances.get("merchant_held", 0), balances["merchant_available"]) == (0, 8_750)
    assert await status_of(stall, order_id) == "cleared"
    assert (await stall.kinds())[-3:] == ["release", "hold", "hold_ended"]
    await check_books(database)


async def test_an_order_that_is_cleared_before_its_release_is_released_as_any_other(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE)
    order_id = await stall.sell()
    await decide(stall, Vote.APPROVE)
    await stall.release(order_id)
    assert (await stall.balances())["merchant_available"] == 8_750
    assert "hold" not in await stall.kinds()


async def test_a_refused_order_stays_held_until_it_is_refunded(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE)
    order_id = await stall.sell()
    await decide(stall, Vote.REJECT)
    await stall.release(order_id)
    assert (await stall.balances())["merchant_held"] == 8_750
    line = await stall.line_id(order_id)
    for amount in (4_000, 6_000):
        async with database.write("test") as tx:
            new = NewRefund(order_id, "refused", Asked({}, 0, amount))
            await refund.create(tx, stall.merchant.id, new, an_act(at=stall.now))
        assert (await stall.balances()).get("merchant_available", 0) == 0
    assert line
    balances = await stall.balances()
    assert balances.get("merchant_held", 0) == 0
    await check_books(database)


async def test_an_attempt_to_decide_ones_own_case_is_refused(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE)
    await stall.sell()
    [found] = await cases(database)
    buyer = await buyer_of(stall)
    with pytest.raises(OwnAct):
        await decide(stall, Vote.APPROVE, f"platform:{buyer}")
    [found] = await cases(database)
    assert found.status is CaseStatus.OPEN
    await decide(stall, Vote.APPROVE)


async def buyer_of(stall: Stall) -> UUID:
    from merchantry.tables.platform import buyer_order

    async with stall.database.read("test") as tx, tx.as_platform() as session:
        return UUID(str(await session.scalar(select(buyer_order.c.buyer_id))))
