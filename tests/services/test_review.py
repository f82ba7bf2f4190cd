"""Review rules in life: what they flag and hold, what becomes of the money, and who decides."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Vote
from merchantry.domain.errors import InvalidInput, OwnAct, PayoutRefused, VotedAlready
from merchantry.domain.payee import PayeeKind
from merchantry.domain.permission import MerchantRole
from merchantry.domain.refund import Asked
from merchantry.domain.review_document import parse_rules
from merchantry.jobs import settlement as settlement_jobs
from merchantry.services import (
    case_decision,
    case_list,
    case_reopening,
    catalogue,
    objection,
    payee_review,
    payout,
    refund,
    refund_approval,
    replay,
    review_case,
    review_rules,
    review_trial,
    settlement,
    staff,
)
from merchantry.services import review as reviews
from merchantry.services.case import Case
from merchantry.services.case_effects import EFFECTS
from merchantry.services.catalogue import Product
from merchantry.services.objection import Dispute
from merchantry.services.payee_details import NewAccount
from merchantry.services.refund import NewRefund
from merchantry.tables.merchant import orders
from merchantry.tables.platform import audit_event, buyer_order
from merchantry.tables.review import review
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tests.builders import NOON, a_merchant, a_vault, an_act
from tests.services.books import Shelf, a_shelf
from tests.services.stall import Stall, a_stall, check_books
from tests.services.test_settlement import local

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


async def reopen(stall: Stall, by: str) -> None:
    """Somebody has the latest case looked at once more."""
    [found] = await cases(stall.database)
    async with stall.database.write("test") as tx:
        await case_reopening.reopen(tx, stall.merchant.id, found.id, "the bank vouches", an_act(by, stall.now))


async def test_a_refused_order_is_cleared_by_two_people_who_have_it_looked_at_once_more(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE)
    order_id = await stall.sell()
    await stall.release(order_id)
    ann, bob = f"platform:{uuid4()}", f"platform:{uuid4()}"
    with pytest.raises(InvalidInput, match="rejected"):
        await reopen(stall, ann)
    await decide(stall, Vote.REJECT, by=bob)
    await reopen(stall, ann)
    assert await status_of(stall, order_id) == "refused"
    await decide(stall, Vote.APPROVE, by=ann)
    assert (await stall.balances())["merchant_held"] == 8_750
    with pytest.raises(VotedAlready):
        await decide(stall, Vote.APPROVE, by=ann)
    await decide(stall, Vote.APPROVE, by=bob)
    assert await status_of(stall, order_id) == "cleared"
    balances = await stall.balances()
    assert (balances.get("merchant_held", 0), balances["merchant_available"]) == (0, 8_750)
    await check_books(database)


async def test_a_review_that_is_rejected_again_leaves_all_as_it_was(database: Database) -> None:
    stall = await a_judged_stall(database, LARGE)
    order_id = await stall.sell()
    await decide(stall, Vote.REJECT)
    await reopen(stall, f"platform:{uuid4()}")
    await decide(stall, Vote.REJECT)
    assert await status_of(stall, order_id) == "refused"


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
    for amount in (4_000, 6_000):
        async with database.write("test") as tx:
            new = NewRefund(order_id, "refused", Asked({}, 0, amount))
            await refund.create(tx, stall.merchant.id, new, an_act(at=stall.now))
        assert (await stall.balances()).get("merchant_available", 0) == 0
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
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        return UUID(str(await session.scalar(select(buyer_order.c.buyer_id))))


async def test_who_buys_where_they_work_is_flagged(database: Database) -> None:
    rule = {"name": "own", "title": "Staff buys", "subject": "order", "kind": "buyer_is_staff", "outcome": "flag"}
    stall = await a_judged_stall(database, {**rule, "sla_hours": 24})
    order_id = await stall.sell()
    assert await verdicts(stall, order_id) == [("own", "pass")]
    async with database.write("test") as tx, tx.as_platform() as session:
        account = await buyer_of(stall)
        await staff.grant_role(session, account, stall.merchant.id, MerchantRole.VIEWER, an_act())
        rules, _, _ = await review_rules.known_of(session, stall.merchant.id, NOON)
        found = await reviews.buyers_of(session, [stall.merchant.id], [order_id], rules)
    assert found[order_id].is_staff


RATIO = {
    "name": "returns",
    "title": "Much is refunded",
    "subject": "refund",
    "kind": "refund_ratio",
    "outcome": "hold",
    "sla_hours": 12,
    "above_bps": 2_000,
    "least_minor": {"BRL": 100},
    "days": 30,
}


async def ask_refund(stall: Stall, order_id: UUID, amount_minor: int, by: str) -> bool:
    """Somebody who may refund asks for an amount; whether it was refunded at once."""
    async with stall.database.write("test") as tx:
        new = NewRefund(order_id, "goodwill", Asked({}, 0, amount_minor))
        act = an_act(by, stall.now)
        return await refund_approval.create(tx, stall.merchant.id, new, [MerchantRole.OWNER], act)


async def test_a_refund_that_a_rule_holds_waits_for_others_and_is_sent_once_they_agree(database: Database) -> None:
    stall = await a_judged_stall(database, RATIO)
    order_id, owner = await stall.sell(), f"staff:{uuid4()}"
    assert await ask_refund(stall, order_id, 2_000, owner)
    assert not await ask_refund(stall, order_id, 1_000, owner)
    assert [each.amount_minor for each in await stall.refunds()] == [2_000]
    [found] = await cases(database, CaseKind.REFUND_APPROVAL)
    assert found.due_at == NOON + timedelta(hours=12)
    assert "2,000" not in str(found.evidence)
    with pytest.raises(OwnAct):
        await decide(stall, Vote.APPROVE, owner.replace("staff", "platform"), CaseKind.REFUND_APPROVAL)
    await decide(stall, Vote.APPROVE, kind=CaseKind.REFUND_APPROVAL)
    assert [each.amount_minor for each in await stall.refunds()] == [2_000, 1_000]
    assert await verdicts(stall, order_id) in (
        [("returns", "pass"), ("returns", "hold")],
        [("returns", "hold"), ("returns", "pass")],
    )


async def test_a_cancellation_is_flagged_and_not_stopped(database: Database) -> None:
    stall = await a_judged_stall(database, RATIO)
    order_id = await stall.sell()
    async with database.write("test") as tx:
        await refund.cancel(tx, stall.merchant.id, order_id, "changed my mind", an_act(at=stall.now))
    assert [each.amount_minor for each in await stall.refunds()] == [10_000]
    [found] = await cases(database)
    assert found.subject_kind == "Refund"
    await check_books(database)


NEW_ACCOUNT = {
    "name": "account",
    "title": "A new account",
    "subject": "payout",
    "kind": "new_payee",
    "outcome": "hold",
    "sla_hours": 24,
    "days": 7,
}


async def test_a_payout_to_a_new_account_waits_for_its_review_and_then_for_its_release(database: Database) -> None:
    await put_in_force(database, NEW_ACCOUNT)
    shelf = await a_shelf(database)
    await shelf.add_account(status="retired", created_at=NOON - DAY)
    await shelf.add_account(created_at=NOON)
    await shelf.sell(50_000, NOON)
    until = NOON + 7 * DAY - timedelta(hours=8)
    async with database.write("test") as tx:
        closed = await settlement_jobs._close(tx, shelf.merchant.id, until, an_act("system:settlement", until))
    [payout_id] = closed.payouts
    [found] = await cases(database)
    assert (found.subject_kind, found.subject_id, found.amount_minor) == ("Payout", str(payout_id), 50_000)
    assert (await shelf.balances())["in_payout"] == 50_000
    finance = an_act(f"platform:{uuid4()}", until)
    with pytest.raises(PayoutRefused):
        await release(shelf, payout_id, finance)
    async with database.write("test") as tx:
        reviewer = an_act(f"platform:{uuid4()}", until)
        await case_decision.decide(tx, shelf.merchant.id, found.id, Vote.APPROVE, "called", reviewer, effects=EFFECTS)
    await release(shelf, payout_id, finance)


async def release(shelf: Shelf, payout_id: UUID, act: Act) -> None:
    async with shelf.database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        await payout.release(session, payout_id, act)


async def test_a_changed_account_is_flagged_where_a_rule_minds(database: Database) -> None:
    await put_in_force(database, {**NEW_ACCOUNT, "subject": "payee", "outcome": "flag"})
    merchant, vault = await a_merchant(database), a_vault()
    for position in range(2):
        new = NewAccount(kind=PayeeKind.WALLET, currency="BRL", holder="Ana", wallet_id=f"ana-{position}@wallet")
        async with database.write("test") as tx:
            await payee_review.add_account(tx, merchant.id, vault, new, uuid4(), an_act(f"staff:{uuid4()}"))
        assert len(await cases(database)) == position


async def test_a_case_that_nobody_decides_in_time_says_so(database: Database) -> None:
    stall = await a_judged_stall(database, OFTEN)
    await stall.sell()
    await stall.sell()
    stall.now += timedelta(hours=48)
    await stall.work()
    found = await cases(database)
    async with database.read("test") as tx, tx.as_platform() as session:
        [story] = (await case_list.stories(session, found)).values()
    assert [each.kind for each in story] == ["open", "overdue"]
    assert "case.overdue" in await acts(database)
    await stall.work()
    assert (await acts(database)).count("case.overdue") == 1


async def acts(database: Database) -> list[str]:
    """Every act in the audit trail, the platform's too."""
    async with database.read("test") as tx, tx.as_platform() as session:
        return list((await session.execute(select(audit_event.c.act))).scalars())


async def test_decision_and_audit_are_one_transaction(database: Database, logins: Logins) -> None:
    stall = await a_judged_stall(database, LARGE)
    order_id = await stall.sell()
    await stall.release(order_id)
    before = (await stall.balances(), await stall.kinds(), await cases(database))
    with psycopg.connect(logins.owner, autocommit=True) as owner:
        owner.execute("REVOKE INSERT ON platform.audit_event FROM merchantry_merchant")
        with pytest.raises(DBAPIError):
            await decide(stall, Vote.APPROVE)
        assert (await stall.balances(), await stall.kinds(), await cases(database)) == before
        assert await status_of(stall, order_id) == "held"
        owner.execute("GRANT INSERT ON platform.audit_event TO merchantry_merchant")
        owner.execute("REVOKE INSERT ON platform.audit_event FROM merchantry_platform")
        with pytest.raises(DBAPIError):
            await decide(stall, Vote.APPROVE)
        assert (await stall.balances(), await stall.kinds(), await cases(database)) == before
        owner.execute("GRANT INSERT ON platform.audit_event TO merchantry_platform")
    await decide(stall, Vote.APPROVE)
    assert await status_of(stall, order_id) == "cleared"
    assert {"case.approve", "order.review"} <= set(await acts(database))


async def test_verdicts_are_written_with_the_act_or_neither(database: Database, logins: Logins) -> None:
    stall = await a_judged_stall(database, LARGE)
    with psycopg.connect(logins.owner, autocommit=True) as owner:
        schema = schema_of(stall.merchant.id)
        owner.execute(f'REVOKE INSERT ON "{schema}".review FROM "{schema}"'.encode())
        with pytest.raises(DBAPIError):
            await stall.sell()
    assert await stall.kinds() == []
    assert await stall.balances() == {}


async def test_rules_tried_on_history_say_what_they_said_in_life(database: Database) -> None:
    price = {
        "name": "price",
        "title": "A price far from before",
        "subject": "price",
        "kind": "price_far_from_history",
        "outcome": "flag",
        "sla_hours": 24,
        "above_bps": 1_000,
        "least_sales": 2,
    }
    often = {**OFTEN, "hours": 3, "more_than": 2}
    stall = await a_judged_stall(database, LARGE, often, price, RATIO)
    [variant] = stall.product.variants
    for position, amount in enumerate((9_000, 9_000, 9_500, 12_000, 9_000)):
        async with database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
            await catalogue.set_price(session, variant.id, "BRL", amount, an_act(at=stall.now))
        stall.product = await read_product(stall)
        order_id = await stall.sell()
        if position == 3:
            await ask_refund(stall, order_id, 1_500, f"staff:{uuid4()}")
        stall.now += timedelta(hours=1)
    live = Counter(await verdicts(stall))
    merchants = await replay.merchants_to_replay(database, "test", None)
    rules = parse_rules({"name": "Test", "rules": [LARGE, often, price, RATIO]})
    days = (NOON - DAY).date(), (NOON + 2 * DAY).date()
    async for each in review_trial.try_rules(database, "test", rules, *days, merchants):
        trial = each
    tried = {(name, str(it)): n for name, tally in trial.tallies.items() for it, n in tally.counts.items()}
    assert tried == live
    assert tried["price", "flag"] == tried["large", "hold"] == 1
    assert tried["often", "flag"] == 3
    assert (await cases(database))[0].kind is CaseKind.REVIEW


async def read_product(stall: Stall) -> Product:
    async with stall.database.read("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        return await catalogue.product(session, stall.product.id)


async def test_nobody_approves_the_rules_they_proposed(database: Database) -> None:
    rules, later = parse_rules({"name": "Test", "rules": [LARGE]}), NOON + DAY
    account = uuid4()
    async with database.write("test") as tx, tx.as_platform() as session:
        made = await review_rules.propose(session, rules, later, an_act(f"platform:{account}"))
        with pytest.raises(OwnAct):
            await review_rules.approve(session, made.version, an_act(f"staff:{account}"))
        approved = await review_rules.approve(session, made.version, an_act(f"platform:{uuid4()}"))
        with pytest.raises(InvalidInput):
            await review_rules.propose(session, rules, later, an_act())
        assert approved.status == "approved"


BIG_PAYOUT = {
    "name": "big",
    "title": "A large payout",
    "subject": "payout",
    "kind": "amount",
    "outcome": "hold",
    "sla_hours": 24,
    "above_minor": {"BRL": 100},
}


async def test_a_held_payout_that_an_objection_replaces_is_reviewed_in_its_place(database: Database) -> None:
    await put_in_force(database, BIG_PAYOUT)
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    end = local(2026, 3, 9)
    act = an_act("staff:olga", end + DAY)
    async with database.write("test") as tx:
        async with tx.as_platform() as platform:
            terms = await settlement.conditions_of(platform, shelf.merchant.id, end)
        async with tx.as_merchant(shelf.merchant.id) as session:
            closed = await settlement.close(session, terms, end, an_act(at=end))
        await review_case.ask_people_of(tx, closed.reviewed, act)
    [statement_id], [first] = closed.statements, closed.payouts
    async with database.write("test") as tx:
        async with tx.as_merchant(shelf.merchant.id) as session:
            said = Dispute(statement_id, 120, "BRL", "a parcel is missing")
            made = await objection.object_to(session, terms, said, uuid4(), act)
        await objection.look_again(tx, shelf.merchant.id, made, act)
    assert made.planned is not None
    standing = {each.subject_id: each.status for each in await cases(database)}
    assert standing == {str(first): CaseStatus.SETTLED, str(made.planned.id): CaseStatus.OPEN}
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        with pytest.raises(PayoutRefused, match="under review"):
            await payout.release(session, made.planned.id, an_act("platform:flo", end + DAY))
