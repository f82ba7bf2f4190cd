"""Settling by the public door: runs over one merchant and over all, schedules and terms."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from graphql_api.relay import encode_id, parse_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs import settling
from merchantry.services import settlement_run
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, confirm, ship
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import Settled, a_mutation, key, open_settled
from tests.services.test_settlement import local

RUN = """run { id merchant startedBy until status merchants merchantsDone statements payouts finishedAt
         failures { merchant reason } }"""
RULE = "effectiveAt timeZone cycle anchorDay everyDays anchoredOn daysOfMonth closing"
SCHEDULE = f"inForce {{ {RULE} }} pending {{ {RULE} }} periodStartsAt periodEndsAt"
TERMS = "minimumPayout { amount currency } reserveBps reserveDays objectionDays"


@pytest.fixture
async def desk(mall: Mall) -> Settled:
    """The mall after a second week, of which nothing is closed yet."""
    desk = await open_settled(mall)
    for shelf in (desk.shelf, desk.other):
        await shelf.sell(5_000, local(2026, 3, 10))
    mall.clock.now = local(2026, 3, 16, 1)
    return desk


async def test_a_run_over_one_merchant_is_over_when_it_is_answered(desk: Settled) -> None:
    given = {"merchant": "shop", "idempotencyKey": key()}
    first = await desk.do("settlementRun", "fin", RUN, **given)
    run = first["run"]
    assert (run["status"], run["statements"], run["payouts"], run["merchant"]) == ("done", 1, 1, "shop")
    assert run["startedBy"] == encode_id("Account", await desk.mall.account("fin"))
    assert await desk.do("settlementRun", "fin", RUN, **given) == first
    assert len(await desk.shelf.statements()) == 2
    assert len(await desk.other.statements()) == 1
    assert (await desk.do("settlementRun", "adam", RUN, merchant="shop", idempotencyKey=key()))["run"][
        "statements"
    ] == 0


async def test_a_line_leads_to_its_order_whose_split_has_the_entry(mall: Mall) -> None:
    merchant = await a_merchant(mall.database, "kites")
    await mall.hire("kim", merchant, MerchantRole.OWNER)
    await mall.appoint("fin", PlatformRole.FINANCE)
    product = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    bought = (await buy(mall, "bea", a_line(merchant, product)))["orders"][0]
    await ship(mall, "kim", merchant, bought["id"])
    await confirm(mall, "bea", bought["id"])
    mall.clock.advance(days=21)
    given = {"input": {"merchant": "kites", "idempotencyKey": key()}}
    ran = await mall.ask(a_mutation("settlementRun", "run { status holdsReleased statements }"), given, who="fin")
    assert ran.data["settlementRun"]["run"] == {"status": "done", "holdsReleased": 1, "statements": 1}
    ask = "{ merchant { statements { nodes { lines { nodes { entrySeq order { id number } } } } } } }"
    found = (await mall.ask(ask, who="kim", merchant="kites")).data["merchant"]["statements"]["nodes"]
    (line,) = found[0]["lines"]["nodes"]
    assert line["order"] == {"id": bought["id"], "number": bought["number"]}
    ask = "query ($id: ID!) { node(id: $id) { ... on Order { split { entries { seq kind } } } } }"
    node = (await mall.ask(ask, {"id": line["order"]["id"]}, who="kim", merchant="kites")).data["node"]
    assert {"seq": line["entrySeq"], "kind": "release"} in node["split"]["entries"]


async def test_a_run_over_all_merchants_is_done_by_the_worker(desk: Settled) -> None:
    started = (await desk.do("settlementRun", "fin", RUN, idempotencyKey=key()))["run"]
    assert (started["status"], started["merchants"], started["merchant"]) == ("running", 2, None)
    another = await desk.do("settlementRun", "adam", RUN, idempotencyKey=key())
    assert another["__typename"] == "SettlementRunning"
    assert await desk.mall.work() > 0
    ask = f"query ($id: ID!) {{ platform {{ {RUN.replace('run {', 'settlementRun(id: $id) {')} }} }}"
    ended = (await desk.ask(ask, "aud", id=started["id"]))["settlementRun"]
    assert (ended["status"], ended["merchantsDone"], ended["statements"]) == ("done", 2, 2), ended
    listed = await desk.ask("{ platform { settlementRuns { nodes { id status } } settlementMissedSince } }", "aud")
    assert listed == {
        "settlementRuns": {"nodes": [{"id": started["id"], "status": "done"}]},
        "settlementMissedSince": None,
    }
    for id in ("nonsense", encode_id("SettlementRun", UUID(int=3)), encode_id("Order", UUID(int=3))):
        assert (await desk.ask(ask, "fin", id=id))["settlementRun"] is None


async def test_a_run_whose_process_died_is_finished_by_the_worker(
    desk: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise ConnectionError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("graphql_api.settlement_mutations.jobs.resume", die)
        given = {"input": {"merchant": "shop", "idempotencyKey": key()}}
        document = "mutation ($input: SettlementRunInput!) { settlementRun(input: $input) { __typename } }"
        assert (await desk.mall.ask(document, given, who="fin")).codes == ["INTERNAL"]
    assert len(await desk.shelf.statements()) == 1
    desk.mall.clock.now += settlement_run.STALE_AFTER
    await desk.mall.work()
    assert len(await desk.shelf.statements()) == 2
    runs = await desk.ask("{ platform { settlementRuns { nodes { status statements } } } }", "fin")
    assert runs["settlementRuns"]["nodes"] == [{"status": "done", "statements": 1}]


async def test_a_run_that_moves_is_left_to_whoever_is_at_it(desk: Settled) -> None:
    started = (await desk.do("settlementRun", "fin", RUN, idempotencyKey=key()))["run"]
    run_id = (parse_id(started["id"]) or ("", ()))[1][0]
    desk.mall.clock.advance(seconds=10)
    async with desk.mall.database.write("test") as tx, tx.as_platform() as session:
        await settlement_run.progress(session, run_id, desk.mall.clock(), merchants_done=1)
    await desk.mall.work()
    assert len(await desk.shelf.statements()) == 1
    desk.mall.clock.now += settlement_run.STALE_AFTER + timedelta(minutes=1)
    await desk.mall.work()
    assert len(await desk.shelf.statements()) == 2
    assert not await settling.settle_if_due(desk.mall.tools)


async def test_a_run_that_is_missed_is_told_of(desk: Settled) -> None:
    await desk.do("settlementRun", "fin", RUN, idempotencyKey=key())
    await desk.mall.work()
    desk.mall.clock.advance(hours=4)
    found = await desk.ask("{ platform { settlementMissedSince } }", "fin")
    assert datetime.fromisoformat(found["settlementMissedSince"]) == local(2026, 3, 16, 1) + settlement_run.EVERY


@pytest.mark.parametrize(
    ("given", "problem", "path"),
    [
        ({"merchant": "nobody"}, "NotFound", ["input", "merchant"]),
        ({"until": "2027-01-01T00:00:00Z"}, "InvalidInput", ["input", "until"]),
        ({"idempotencyKey": ""}, "InvalidInput", ["input", "idempotencyKey"]),
    ],
    ids=["merchant", "until", "key"],
)
async def test_a_run_that_cant_be_is_refused(
    desk: Settled, given: dict[str, Any], problem: str, path: list[str]
) -> None:
    given = {"idempotencyKey": key(), **given}
    answer = await desk.do("settlementRun", "fin", RUN, **given)
    assert (answer["__typename"], answer["path"]) == (problem, path)


async def test_a_schedule_changes_at_the_end_of_the_open_period_and_once_at_a_time(desk: Settled) -> None:
    given: dict[str, Any] = {"merchant": "shop", "cycle": "DAYS_OF_MONTH", "daysOfMonth": [16, 1], "closing": "18:30"}
    done = await desk.do("settlementScheduleChange", "fin", f"schedule {{ {SCHEDULE} }}", **given)
    pending = done["schedule"]["pending"]
    assert (pending["daysOfMonth"], pending["closing"], pending["timeZone"]) == (
        [1, 16],
        "18:30:00",
        "America/Sao_Paulo",
    )
    assert pending["effectiveAt"] == done["schedule"]["periodEndsAt"]
    own = await desk.ask(f"{{ merchant {{ settlementSchedule {{ {SCHEDULE} }} }} }}", "acc")
    assert own["settlementSchedule"] == done["schedule"]
    ask = f"query ($m: ID!) {{ platform {{ settlementSchedule(merchant: $m) {{ {SCHEDULE} }} }} }}"
    merchant = encode_id("MerchantRecord", desk.shelf.merchant.id)
    assert (await desk.ask(ask, "aud", m=merchant))["settlementSchedule"] == done["schedule"]
    again = await desk.do("settlementScheduleChange", "fin", **given)
    assert again["__typename"] == "InvalidInput"
    missing = await desk.mall.ask(ask, {"m": encode_id("MerchantRecord", UUID(int=4))}, who="fin")
    assert missing.codes == ["NOT_FOUND"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"timeZone": "Mars/Olympus"}, ["input", "timeZone"]),
        ({"timeZone": "../../etc/passwd"}, ["input", "timeZone"]),
        ({"timeZone": ""}, ["input", "timeZone"]),
        ({"closing": "25:00"}, ["input", "closing"]),
        ({"closing": "12:00Z"}, ["input", "closing"]),
        ({"anchorDay": 8}, ["input", "anchorDay"]),
        ({"everyDays": 0}, ["input", "everyDays"]),
        ({"daysOfMonth": [1]}, ["input", "daysOfMonth"]),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused(desk: Settled, given: dict[str, Any], path: list[str]) -> None:
    answer = await desk.do("settlementScheduleChange", "fin", merchant="shop", cycle="WEEKLY", **given)
    assert (answer["__typename"], answer["path"]) == ("InvalidInput", path)


async def test_terms_are_changed_one_by_one_and_leave_a_trail(desk: Settled) -> None:
    ask = f"{{ merchant {{ settlementTerms {{ {TERMS} }} }} }}"
    before = (await desk.ask(ask, "olga"))["settlementTerms"]
    minimum = [{"amount": "50.00", "currency": "BRL"}]
    done = await desk.do("settlementTermsSet", "fin", f"terms {{ {TERMS} }}", merchant="shop", minimum=minimum)
    assert done["terms"] == {**before, "minimumPayout": minimum}
    done = await desk.do("settlementTermsSet", "adam", f"terms {{ {TERMS} }}", merchant="shop", reserveBps=500)
    assert done["terms"] == {**before, "minimumPayout": minimum, "reserveBps": 500}
    assert (await desk.ask(ask, "acc"))["settlementTerms"] == done["terms"]
    acts = await desk.ask("{ merchant { auditEvents { nodes { act before after } } } }", "olga")
    trail = [each for each in acts["auditEvents"]["nodes"] if each["act"] == "settlement_terms.set"]
    assert len(trail) == 2
    assert {each["after"]["reserve_bps"] for each in trail} == {before["reserveBps"], 500}


@pytest.mark.parametrize(
    ("given", "problem", "path"),
    [
        ({"reserveBps": 10_001}, "InvalidInput", ["input", "reserveBps"]),
        ({"reserveDays": -1}, "InvalidInput", ["input", "reserveDays"]),
        ({"objectionDays": 100_000}, "InvalidInput", ["input", "objectionDays"]),
        ({"minimum": [{"amount": "-1", "currency": "BRL"}]}, "InvalidInput", ["input", "minimum"]),
        ({"minimum": [{"amount": "1", "currency": "QQQ"}]}, "UnknownCurrency", ["input", "minimum", "0", "currency"]),
        ({"merchant": "nobody"}, "NotFound", ["input", "merchant"]),
    ],
    ids=["bps", "reserve", "objection", "negative", "currency", "merchant"],
)
async def test_terms_that_make_no_sense_are_refused(
    desk: Settled, given: dict[str, Any], problem: str, path: list[str]
) -> None:
    answer = await desk.do("settlementTermsSet", "fin", **{"merchant": "shop", **given})
    assert (answer["__typename"], answer["path"]) == (problem, path)


@pytest.mark.parametrize("who", ["aud", "rev", "olga"])
async def test_who_may_not_settle_is_refused(desk: Settled, who: str) -> None:
    everything: dict[str, dict[str, Any]] = {
        "settlementRun": {"merchant": "shop", "idempotencyKey": key()},
        "settlementScheduleChange": {"merchant": "shop", "cycle": "DAILY"},
        "settlementTermsSet": {"merchant": "shop", "reserveBps": 1},
    }
    for name, given in everything.items():
        assert (await desk.do(name, who, **given))["__typename"] == "NotPermitted"
