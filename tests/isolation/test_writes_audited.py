"""The audit trail of a whole run: every mutation leaves an event, refusals too, and no secret is in any of them."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from merchantry.domain import entries
from merchantry.domain.permission import PlatformRole
from merchantry.services import ledger
from tenancy.logins import Logins
from tests.builders import an_act
from tests.cluster import Cluster
from tests.graphql_api.documents import ADDRESS
from tests.isolation.generator import input_of, mutation_document, success_of
from tests.isolation.samples import inputs
from tests.isolation.test_permissions import MUTATIONS as PERMISSIONS
from tests.isolation.test_writes import MUTATIONS, OF_PLATFORM, Whose
from tests.isolation.world import Asker, Sphere, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A mall of its own: every mutation must find what it needs untouched."""
    async with a_world(cluster, tmp_path_factory) as world:
        yield world


NOT_AUDITED = {
    "reviewRulesTry": "nothing is changed: it reckons what rules would have said",
    "merchantFinish": "where something stands in the way it changes nothing; what it settles is audited step by step",
    "viewerLanguageSet": "what somebody reads is their own affair",
    "viewerEmailSet": "where somebody is written to is their own affair, and no matter of a trail that is kept",
    "notificationsMarkRead": "what somebody has read is their own affair",
    "notificationPreferenceSet": "how somebody wants to be told is their own affair",
    "checkoutQuote": "nothing is reserved or promised: a quote is a question, and is forgotten",
    "commissionPlanReplay": "nothing is changed: it reckons what a plan would have charged",
}
"""Mutations that leave no event, and why."""

LAST = ("viewerErase", "buyerErase", "merchantSuspend", "merchantReactivate", "merchantClose", "merchantFinish")
PLAN = {"name": "audited", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1}}
STATEMENT = b"date,amount,currency,reference,provider_reference,kind\n2026-03-01,-1.00,EUR,PO-1,W1,payout\n"
OWN_SAMPLES = {
    "CommissionPlanProposeInput.name": "audited",
    "CommissionPlanApproveInput.name": "audited",
    "CommissionPlanRejectInput.name": "audited",
    "document": PLAN,
    "country": "AT",
    "acceptsCash": True,
    "effectiveFrom": "2026-08-01T00:00:00Z",
    "content": base64.b64encode(STATEMENT).decode(),
}
IBAN = "DE89370400440532013000"


@dataclass(frozen=True)
class Run:
    """What every mutation left in the trail, once it was done."""

    sphere: Sphere
    events: dict[str, list[dict[str, Any]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def run(world: World) -> Run:
    """Every mutation, done by whoever may at a merchant that is there for this alone; ends come last."""
    sphere = world.audited
    samples = {**inputs(sphere), **OWN_SAMPLES}
    again = {"effectiveFrom": "2026-09-01T00:00:00Z"}
    made = Run(sphere, {})
    for mutation in [*(name for name in MUTATIONS if name not in LAST), *LAST]:
        if mutation == "commissionPlanReject":
            await done(world, sphere, "commissionPlanPropose", {**samples, **again})
            samples["version"] = 2
        if mutation == "exchangeBook":
            await _credited(world, sphere)
        if mutation == "reviewRulesReject":
            await done(world, sphere, "reviewRulesPropose", {**samples, **again})
        if mutation in NEWEST:
            samples[f"{mutation[0].upper()}{mutation[1:]}Input.version"] = _newest(world, NEWEST[mutation])
        made.events[mutation] = await done(world, sphere, mutation, samples)
    return made


NEWEST = {
    "approvalChainApprove": "SELECT max(version) FROM platform.approval_chain",
    "reviewRulesApprove": "SELECT max(version) FROM platform.review_rule_set",
    "reviewRulesReject": "SELECT max(version) FROM platform.review_rule_set",
}
"""Which version is decided on: the one that was proposed last."""


def _newest(world: World, query: LiteralString) -> int:
    with psycopg.connect(world.mall.database.logins.owner) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return int(row[0])


async def _credited(world: World, sphere: Sphere) -> None:
    """Something is available that can be exchanged, whatever was paid out before."""
    credit = entries.adjustment(100_000, "BRL", occurred_at=world.mall.clock(), details={"reason": "a credit"})
    async with world.mall.database.write("test") as tx, tx.as_merchant(sphere.merchant.id) as session:
        await ledger.book(session, credit, an_act(), entries.platform_side(credit, earned=True))


async def done(world: World, sphere: Sphere, mutation: str, samples: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of the request that did it, sent by each who may until one succeeds."""
    answers = []
    for asker in askers(world, sphere, mutation):
        request_id = f"trail-{uuid4().hex}"
        reply = await send(world, asker, mutation, input_of(mutation, samples), request_id)
        answers.append(reply)
        if ((reply.get("data") or {}).get(mutation) or {}).get("__typename") == success_of(mutation):
            return events(world.mall.database.logins, request_id)
    raise AssertionError(f"{mutation} could not be done: {answers}")


async def send(world: World, asker: Asker, mutation: str, given: dict[str, Any], request_id: str) -> dict[str, Any]:
    """A request with an id that its events then bear."""
    headers = {"authorization": f"Bearer {world.mall.token(str(asker.who))}", "x-request-id": request_id}
    if asker.header:
        headers["x-merchant"] = asker.header
    body = {"query": mutation_document(mutation), "variables": {"input": given}}
    reply: dict[str, Any] = (await world.mall.http.post("/graphql", json=body, headers=headers)).json()
    return reply


def askers(world: World, sphere: Sphere, mutation: str) -> list[Asker]:
    whose = MUTATIONS[mutation]
    if whose in OF_PLATFORM:
        # Finance proposes, so that the admin, who is another person, can approve.
        people = sorted(world.platform_roles.items(), key=lambda item: item[0] is PlatformRole.ADMIN)
        if mutation in ("commissionPlanApprove", "commissionPlanReject"):
            people.reverse()
        return [Asker(role, person) for role, person in people]
    if whose in (Whose.BUYER, Whose.BUYER_OR_MERCHANT, Whose.ANYONE, Whose.OWN):
        return [Asker("buyer", sphere.buyer)]
    return [world.owner_of(sphere)]


def events(logins: Logins, request_id: str) -> list[dict[str, Any]]:
    """What one request left in the trail, as the owner of the tables sees it."""
    with psycopg.connect(logins.owner) as connection:
        rows = connection.execute(
            "SELECT to_jsonb(e) - 'salt' FROM platform.audit_event e WHERE request_id = %s AND act NOT LIKE '%%.read'",
            [request_id],
        ).fetchall()
    return [row[0] for row in rows if isinstance(row[0], dict)]


@pytest.mark.parametrize("mutation", list(MUTATIONS))
async def test_every_mutation_leaves_an_event_or_is_on_the_list(run: Run, mutation: str) -> None:
    found = run.events[mutation]
    if mutation in NOT_AUDITED:
        assert not found
        return
    assert found, f"{mutation} wrote no audit event; record one, or say in NOT_AUDITED why not"
    assert {each["outcome"] for each in found} == {"DONE"}


async def test_whoever_lacks_the_permission_is_in_the_trail(world: World) -> None:
    request_id = f"trail-{uuid4().hex}"
    analyst = Asker("analyst", world.platform_roles[PlatformRole.ANALYST])
    await send(world, analyst, "payoutRelease", input_of("payoutRelease", inputs(world.victim)), request_id)
    [event] = events(world.mall.database.logins, request_id)
    assert (event["act"], event["outcome"], event["client"]) == ("payoutRelease", "REFUSED", "token")
    assert event["after"]["permission"] == PERMISSIONS["payoutRelease"]


async def test_no_secret_is_in_any_event(world: World, run: Run) -> None:
    """Of all that the tests of this directory did before: contact data, tokens, account numbers, keys, addresses."""
    with psycopg.connect(world.mall.database.logins.owner) as connection:
        rows = connection.execute("SELECT to_jsonb(e) - 'salt' FROM platform.audit_event e").fetchall()
    assert len(rows) > 100
    told = json.dumps(rows, default=str, ensure_ascii=False)
    secrets = [str(ADDRESS[name]) for name in ("name", "street", "postalCode", "city") if name in ADDRESS]
    secrets += [IBAN, world.mall.token("x").split(".")[0], "@example.test", "victim@EUR", "PRIVATE KEY"]
    assert not [secret for secret in secrets if secret in told]
