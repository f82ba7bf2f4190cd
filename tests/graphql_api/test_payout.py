"""Payouts by the public door: seen by their merchant, and released, retried, given up and resolved by people."""

from typing import Any
from uuid import UUID

import pytest

from graphql_api.relay import encode_id, parse_id
from merchantry.domain.payout import Word
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import Settled, key, open_settled
from tests.services.test_settlement import local, payouts

SHOWN = """payout { id number status waitsForRelease paid { amount } failure releasedAt endedAt
           transfers { id status attempt amount { amount } } entries { kind } }"""
MERCHANTS = """{ merchant { payouts { nodes { id number statement { number } provider amount { amount currency } status
  account paid { amount } returned { amount } transfers { reference status reason attempt askedAt answeredAt }
  entries { seq kind reverses } plannedAt } } } }"""


@pytest.fixture
async def desk(mall: Mall) -> Settled:
    """The mall after a week."""
    return await open_settled(mall)


CASES = """{ platform { cases { nodes { id kind status reason events { kind text evidence { value } } } } } }"""


async def a_vote(desk: Settled, vote: str = "APPROVE") -> dict[str, str]:
    """For the newest case."""
    newest = (await desk.ask(CASES, "fin"))["cases"]["nodes"][0]
    return {"caseId": newest["id"], "vote": vote, "reason": "so be it", "idempotencyKey": key()}


def id_of(found: dict[str, Any]) -> UUID:
    """The payout's key."""
    return (parse_id(found["payoutId"]) or ("", (UUID(int=0),)))[1][-1]


async def shops_payout(desk: Settled) -> dict[str, Any]:
    """The shop's payout, as the platform lists it."""
    ask = """query ($merchant: ID!) { platform { payouts(merchant: $merchant) {
      nodes { payoutId number merchant status waitsForRelease transfers { id status } } } } }"""
    found = await desk.ask(ask, "fin", merchant=encode_id("MerchantRecord", desk.shelf.merchant.id))
    listed: dict[str, Any] = found["payouts"]["nodes"][0]
    return listed


async def test_a_merchant_sees_its_payout_come_and_go_back(desk: Settled) -> None:
    await desk.begin(id_of(await shops_payout(desk)), Word.PAID, Word.RETURNED)
    (found,) = (await desk.ask(MERCHANTS, "acc"))["payouts"]["nodes"]
    assert (found["status"], found["account"], found["provider"]) == ("RETURNED", "•••• shop", "bank")
    assert (found["paid"]["amount"], found["returned"]["amount"]) == ("112.50", "112.50")
    assert [each["kind"] for each in found["entries"]] == ["payout", "payout_paid", "payout_returned"]
    assert found["entries"][2]["reverses"] == found["entries"][1]["seq"]
    (transfer,) = found["transfers"]
    assert (transfer["status"], transfer["reference"]) == ("RETURNED", f"{found['number']}-1-1")


async def test_payouts_are_filtered_by_status_and_found_by_number(desk: Settled) -> None:
    ask = "query ($s: [PayoutStatus!]) { merchant { payouts(statuses: $s) { nodes { number } } } }"
    assert len((await desk.ask(ask, "olga", s=["PLANNED", "PAID"]))["payouts"]["nodes"]) == 1
    assert (await desk.ask(ask, "olga", s=["PAID"]))["payouts"]["nodes"] == []
    number = (await shops_payout(desk))["number"]
    one = "query ($n: String!) { merchant { payout(number: $n) { number } } }"
    assert (await desk.ask(one, "olga", n=number))["payout"] == {"number": number}
    foreign = await desk.mall.ask(one, {"n": number}, who="otto", merchant="other")
    assert foreign.data["merchant"]["payout"] is None
    refused = await desk.mall.ask(one, {"n": number}, who="vic", merchant="shop")
    assert refused.codes == ["NOT_PERMITTED"]


async def test_the_platform_lists_payouts_of_all_merchants_and_sees_all_of_one(desk: Settled) -> None:
    found = (await desk.ask("{ platform { payouts { nodes { merchant number status } } } }", "aud"))["payouts"]["nodes"]
    assert {each["merchant"] for each in found} == {"shop", "other"}
    ask = "query ($n: String!) { platform { payout(number: $n) { number account statement { number } } } }"
    for each in found:
        shown = (await desk.ask(ask, "fin", n=each["number"]))["payout"]
        assert (shown["number"], shown["account"]) == (each["number"], f"•••• {each['merchant']}")
    assert (await desk.ask(ask, "fin", n="100999-P00001"))["payout"] is None
    refused = await desk.mall.ask(ask, {"n": found[0]["number"]}, who="rev")
    assert refused.codes == ["NOT_PERMITTED"]


async def test_a_payout_above_the_limit_is_released_by_another_than_who_settled(desk: Settled) -> None:
    limits = [{"amount": "1.00", "currency": "BRL"}]
    done = await desk.do("payoutReleaseLimitSet", "adam", "limits { amount currency }", limits=limits)
    assert done["limits"] == limits
    assert (await desk.ask("{ platform { payoutReleaseLimits { amount } } }", "aud"))["payoutReleaseLimits"]
    await desk.shelf.sell(5_000, local(2026, 3, 10))
    desk.mall.clock.now = local(2026, 3, 16, 1)
    ran = await desk.do("settlementRun", "fin", "run { status payouts }", merchant="shop", idempotencyKey=key())
    assert ran["run"] == {"status": "done", "payouts": 1}
    found = await shops_payout(desk)
    assert found["waitsForRelease"]
    given = {"payoutId": found["payoutId"], "idempotencyKey": "release"}
    assert (await desk.do("payoutRelease", "fin", SHOWN, **given))["__typename"] == "OwnAct"
    assert (await desk.do("payoutRelease", "adam", SHOWN, **given))["__typename"] == "NotPermitted"
    for _ in range(2):
        released = await desk.do("payoutRelease", "flo", SHOWN, **given)
        assert (released["payout"]["waitsForRelease"], bool(released["payout"]["releasedAt"])) == (False, True)
    assert (await desk.do("payoutRelease", "flo", **{**given, "idempotencyKey": "b"}))["__typename"] == "PayoutRefused"


async def test_what_failed_is_tried_again_once_for_a_key_or_given_up(desk: Settled) -> None:
    found = await shops_payout(desk)
    await desk.begin(id_of(found), Word.REJECTED)
    given = {"payoutId": found["payoutId"], "idempotencyKey": key()}
    for _ in range(2):
        again = await desk.do("payoutRetry", "fin", SHOWN, **given)
        assert [each["attempt"] for each in again["payout"]["transfers"]] == [1, 2]
    gone = {**given, "reason": "wrong account", "idempotencyKey": key()}
    assert (await desk.do("payoutCancel", "fin", SHOWN, **gone))["__typename"] == "PayoutRefused"
    keys = await desk.begin(id_of(found), Word.REJECTED)
    assert len(keys) == 1
    cancelled = (await desk.do("payoutCancel", "fin", SHOWN, **gone))["payout"]
    assert (cancelled["status"], cancelled["failure"]) == ("CANCELLED", "wrong account")
    assert [each["kind"] for each in cancelled["entries"]] == ["payout", "payout_cancelled"]
    assert (await desk.shelf.balances())["merchant_available"] == 11_250


@pytest.mark.parametrize(("vote", "status"), [("APPROVE", "SENDING"), ("REJECT", "CANCELLED")])
async def test_the_case_of_a_failure_is_decided_by_trying_again_or_giving_up(
    desk: Settled, vote: str, status: str
) -> None:
    await desk.begin(id_of(await shops_payout(desk)), Word.REJECTED)
    assert (await desk.do("caseDecide", "fin", **await a_vote(desk, vote)))["__typename"] == "CaseDecided"
    assert (await shops_payout(desk))["status"] == status


@pytest.mark.parametrize(("outcome", "status"), [("PAID", "PAID"), ("REJECTED", "FAILED")])
async def test_a_person_says_what_nobody_answered(desk: Settled, outcome: str, status: str) -> None:
    found = await shops_payout(desk)
    (transfer,) = await desk.begin(id_of(found), Word.NOTHING)
    desk.mall.clock.advance(hours=2)
    await desk.begin(id_of(found))
    await desk.silence(transfer)
    refused = await desk.do("caseDecide", "fin", **await a_vote(desk))
    assert (refused["__typename"], "payoutResolve" in refused["message"]) == ("InvalidInput", True)
    given = {
        "transferId": encode_id("PayoutTransfer", desk.shelf.merchant.id, transfer),
        "outcome": outcome,
        "evidence": "the bank's answer of today",
        "idempotencyKey": key(),
    }
    blank = await desk.do("payoutResolve", "fin", SHOWN, **{**given, "evidence": " "})
    assert (blank["__typename"], blank["path"]) == ("InvalidInput", ["input", "evidence"])
    for _ in range(2):
        resolved = await desk.do("payoutResolve", "fin", SHOWN, **given)
        assert resolved["payout"]["status"] == status, resolved
    open_now = {"PAID": [], "REJECTED": [("PAYOUT_FAILED", "OPEN")]}[outcome]
    cases = (await desk.ask(CASES, "fin"))["cases"]["nodes"]
    assert sorted((each["kind"], each["status"]) for each in cases) == [*open_now, ("PAYOUT_UNKNOWN", "SETTLED")]
    (settled,) = [each for each in cases if each["status"] == "SETTLED"]
    assert settled["reason"] == f"A person has found out what became of the transfer: {outcome.lower()}."
    events = [(each["kind"], each["text"], [fact["value"] for fact in each["evidence"]]) for each in settled["events"]]
    assert events[1][0] == "evidence"
    assert "the bank's answer of today" in events[1][2]
    assert events[2][0] == "settle"
    late = {**given, "idempotencyKey": key()}
    assert (await desk.do("payoutResolve", "flo", **late))["__typename"] == "PayoutRefused"
    (row,) = await payouts(desk.shelf)
    assert row.paid_minor == (11_250 if outcome == "PAID" else 0)


@pytest.mark.parametrize("mutation", ["payoutRelease", "payoutRetry", "payoutCancel", "payoutResolve"])
async def test_payouts_that_do_not_exist_and_people_who_may_not_are_refused(desk: Settled, mutation: str) -> None:
    found, nobody = await shops_payout(desk), UUID(int=7)
    extra = {"payoutCancel": {"reason": "no"}, "payoutResolve": {"outcome": "PAID", "evidence": "none"}}
    name, kind = ("transferId", "PayoutTransfer") if mutation == "payoutResolve" else ("payoutId", "Payout")
    shop = desk.shelf.merchant.id
    for id in (encode_id(kind, nobody, nobody), encode_id(kind, shop, nobody), encode_id("Order", shop, nobody), "x"):
        given = {name: id, "idempotencyKey": key(), **extra.get(mutation, {})}
        answer = await desk.do(mutation, "fin", **given)
        assert (answer["__typename"], answer["path"]) == ("NotFound", ["input", name])
    given = {name: found["payoutId"], "idempotencyKey": key(), **extra.get(mutation, {})}
    for who in ("adam", "aud", "rev", "olga"):
        assert (await desk.do(mutation, who, **given))["__typename"] == "NotPermitted"


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        ([("1.00", "BRL"), ("2.00", "BRL")], ["input", "limits", "1", "currency"]),
        ([("-1.00", "BRL")], ["input", "limits"]),
        ([("1.001", "BRL")], ["input", "limits", "0", "amount"]),
    ],
    ids=["twice", "negative", "digits"],
)
async def test_limits_that_make_no_sense_are_refused(
    desk: Settled, limits: list[tuple[str, str]], path: list[str]
) -> None:
    given = [{"amount": amount, "currency": currency} for amount, currency in limits]
    answer = await desk.do("payoutReleaseLimitSet", "adam", limits=given)
    assert (answer["__typename"], answer["path"]) == ("InvalidInput", path)
