"""No mutation reaches what belongs to somebody else, and a refused one changes nothing.

Made from the schema: every mutation is sent with ids of the victim by everybody who has no business with it, compared
byte for byte with the same request about what does not exist, and every row of the victim's schema, of its rows in
``platform`` and of the buyers' is digested before and after. Last comes whoever may, who must succeed.
"""

from collections.abc import AsyncIterator
from enum import Enum
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from graphql_api.relay import encode_id
from merchantry.domain.permission import PlatformRole
from tests.builders import a_merchant
from tests.cluster import Cluster
from tests.isolation.fingerprint import fingerprint
from tests.isolation.generator import fields_of, input_of, mutation_document, success_of
from tests.isolation.reading import Read, read_victim
from tests.isolation.samples import inputs
from tests.isolation.webhooks import OF_WEBHOOKS
from tests.isolation.world import Asker, Reply, World, a_world, elsewhere, forged, ids_in, swapped

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A mall of its own: every mutation must find what it needs untouched."""
    async with a_world(cluster, tmp_path_factory) as world:
        yield world


class Whose(Enum):
    """Whose things a mutation is about."""

    MERCHANT = "a row of the selected merchant: its staff"
    SELECTED = "the selected merchant itself; the input names nothing that is its own"
    BUYER = "a row of a buyer"
    BUYER_OR_MERCHANT = "a buyer's order: the buyer, and the staff of its merchant"
    ANYONE = "nobody's: whoever is signed in"
    EVERYBODY = "nobody's: anybody, signed in or not"
    BEARER = "whoever is signed in and has a token for it"
    OWN = "whoever asks: whoever is signed in"
    PLATFORM = "the platform's: its staff"
    REPORTS = "the platform's reports: its staff, analysts too"


OF_NOBODY = (Whose.ANYONE, Whose.EVERYBODY)
WITHOUT_ROLES = (Whose.EVERYBODY, Whose.BEARER)
OF_PLATFORM = (Whose.PLATFORM, Whose.REPORTS)

MUTATIONS = {
    "checkoutQuote": Whose.ANYONE,
    "guestCheckoutBegin": Whose.EVERYBODY,
    "guestCheckoutClaim": Whose.BEARER,
    "viewerLanguageSet": Whose.OWN,
    "viewerEmailSet": Whose.OWN,
    "notificationsMarkRead": Whose.BUYER,
    "notificationPreferenceSet": Whose.OWN,
    "buyerErase": Whose.PLATFORM,
    "checkoutPlace": Whose.BUYER,
    "checkoutPay": Whose.BUYER,
    "checkoutCancel": Whose.BUYER,
    "orderShipByExtend": Whose.MERCHANT,
    "orderShip": Whose.MERCHANT,
    "shipmentDeliver": Whose.MERCHANT,
    "orderConfirmReceipt": Whose.BUYER,
    "orderCancel": Whose.BUYER_OR_MERCHANT,
    "refundCreate": Whose.MERCHANT,
    "refundRetry": Whose.MERCHANT,
    "refundMarkOffline": Whose.MERCHANT,
    "refundResolve": Whose.PLATFORM,
    "returnRequest": Whose.BUYER,
    "returnWithdraw": Whose.BUYER,
    "returnApprove": Whose.MERCHANT,
    "returnReject": Whose.MERCHANT,
    "returnReceive": Whose.MERCHANT,
    "chargebackOpen": Whose.PLATFORM,
    "chargebackRespond": Whose.PLATFORM,
    "chargebackLose": Whose.PLATFORM,
    "chargebackWin": Whose.PLATFORM,
    "debtWriteOffPropose": Whose.PLATFORM,
    "exchangeBook": Whose.PLATFORM,
    "productCreate": Whose.SELECTED,
    "documentLanguageSet": Whose.SELECTED,
    "shopDescriptionSet": Whose.SELECTED,
    "productUpdate": Whose.MERCHANT,
    "productPublish": Whose.MERCHANT,
    "productUnpublish": Whose.MERCHANT,
    "priceSet": Whose.MERCHANT,
    "stockAdjust": Whose.MERCHANT,
    "stockSetMany": Whose.SELECTED,
    "productUpsert": Whose.SELECTED,
    "productUpsertMany": Whose.SELECTED,
    "orderAnnotate": Whose.MERCHANT,
    "reportSave": Whose.SELECTED,
    "platformReportSave": Whose.REPORTS,
    "reportProduce": Whose.MERCHANT,
    "reportDelete": Whose.MERCHANT,
    "couponCreate": Whose.SELECTED,
    "couponPause": Whose.MERCHANT,
    "couponResume": Whose.MERCHANT,
    "couponEnd": Whose.MERCHANT,
    "platformCouponCreate": Whose.PLATFORM,
    "taxRateSet": Whose.PLATFORM,
    "staffGrant": Whose.SELECTED,
    "staffRevoke": Whose.SELECTED,
    "machineTokenCreate": Whose.SELECTED,
    "machineTokenRotate": Whose.MERCHANT,
    "machineTokenRevoke": Whose.MERCHANT,
    "platformMachineTokenCreate": Whose.PLATFORM,
    "platformMachineTokenRotate": Whose.PLATFORM,
    "platformMachineTokenRevoke": Whose.PLATFORM,
    **dict.fromkeys(OF_WEBHOOKS, Whose.MERCHANT),
    "webhookEndpointCreate": Whose.SELECTED,
    **{f"platform{name[0].upper()}{name[1:]}": Whose.PLATFORM for name in OF_WEBHOOKS},
    "platformRoleGrant": Whose.PLATFORM,
    "platformRoleRevoke": Whose.PLATFORM,
    "categoryCreate": Whose.PLATFORM,
    "categoryDaysSet": Whose.PLATFORM,
    "categoryUpdate": Whose.PLATFORM,
    "merchantCreate": Whose.PLATFORM,
    "merchantUpdate": Whose.PLATFORM,
    "merchantSuspend": Whose.PLATFORM,
    "merchantReactivate": Whose.PLATFORM,
    "merchantClose": Whose.PLATFORM,
    "merchantFinish": Whose.PLATFORM,
    "commissionPlanPropose": Whose.PLATFORM,
    "commissionPlanApprove": Whose.PLATFORM,
    "commissionPlanReject": Whose.PLATFORM,
    "commissionPlanReplay": Whose.PLATFORM,
    "payeeAccountAdd": Whose.SELECTED,
    "payeeAccountVerify": Whose.PLATFORM,
    "payeeAccountFlag": Whose.PLATFORM,
    "payeeAccountUnflag": Whose.PLATFORM,
    "caseOpen": Whose.PLATFORM,
    "caseComment": Whose.PLATFORM,
    "caseAssign": Whose.PLATFORM,
    "caseDecide": Whose.PLATFORM,
    "caseReopen": Whose.PLATFORM,
    "approvalChainSet": Whose.PLATFORM,
    "approvalChainApprove": Whose.PLATFORM,
    "reviewRulesPropose": Whose.PLATFORM,
    "reviewRulesApprove": Whose.PLATFORM,
    "reviewRulesReject": Whose.PLATFORM,
    "reviewRulesTry": Whose.PLATFORM,
    "statementAccept": Whose.MERCHANT,
    "statementObject": Whose.MERCHANT,
    "settlementRun": Whose.PLATFORM,
    "settlementScheduleChange": Whose.PLATFORM,
    "settlementTermsSet": Whose.PLATFORM,
    "payoutRelease": Whose.PLATFORM,
    "payoutRetry": Whose.PLATFORM,
    "payoutCancel": Whose.PLATFORM,
    "payoutResolve": Whose.PLATFORM,
    "payoutReleaseLimitSet": Whose.PLATFORM,
    "logRequirementSet": Whose.PLATFORM,
    "reconcile": Whose.PLATFORM,
    "bankLineMatch": Whose.PLATFORM,
    "bankLineDismiss": Whose.PLATFORM,
    "viewerErase": Whose.OWN,
}

OF_ANALYSTS_TOO = {"platformReportSave"}
"""What an analyst may do: reports are what they read."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def read(world: World) -> AsyncIterator[Read]:
    """What the victim's owner can read before anything is tried."""
    yield await read_victim(world)


def refused(reply: Reply, mutation: str) -> bool:
    """Whether the mutation did not do what it is for."""
    data = reply.body.get("data")
    return not data or data[mutation]["__typename"] != success_of(mutation)


async def test_it_is_known_of_every_mutation_whose_things_it_is_about() -> None:
    assert set(fields_of("Mutation")) == set(MUTATIONS), "say in MUTATIONS whose things it is about, and give samples"


def askers(world: World, whose: Whose) -> list[Asker]:
    """Everybody who gets past the door and must not succeed."""
    strangers = world.strangers()
    if whose is Whose.EVERYBODY:
        return []
    if whose in (Whose.ANYONE, Whose.OWN, Whose.BEARER):
        return [asker for asker in strangers if asker.who is None]
    if whose is Whose.SELECTED:
        return [asker for asker in strangers if asker.header is None and asker.host is None]
    if whose is Whose.BUYER:
        strangers.append(world.owner_of(world.victim))
    if whose is Whose.REPORTS:
        strangers = [asker for asker in strangers if asker.who != world.platform_roles[PlatformRole.ANALYST]]
    if whose in (Whose.MERCHANT, *OF_PLATFORM):
        strangers.append(Asker("the victim's buyer", world.victim.buyer))
    if whose in OF_PLATFORM:
        strangers.append(world.owner_of(world.victim))
    return strangers


@pytest.mark.parametrize("mutation", fields_of("Mutation"))
async def test_a_mutation_is_refused_to_everybody_else_and_changes_nothing(
    world: World, read: Read, mutation: str
) -> None:
    document, before = mutation_document(mutation), fingerprint(world)
    for asker in askers(world, MUTATIONS[mutation]):
        if mutation in OF_ANALYSTS_TOO and asker.who == world.platform_roles[PlatformRole.ANALYST]:
            continue
        given = input_of(mutation, inputs(world.victim))
        reply = await world.send(asker, document, {"input": given})
        assert refused(reply, mutation), (asker, reply.text)
        assert "INTERNAL" not in reply.text, (asker, reply.text)
        sent = ids_in(given)
        shown = {secret for secret in read.secrets if secret in reply.without(*sent)[1]}
        assert not shown, asker
        missing = swapped(given, elsewhere)
        unknown = await world.send(asker, document, {"input": missing})
        assert reply.without(*sent) == unknown.without(*ids_in(missing)), asker
    assert fingerprint(world) == before


@pytest.mark.parametrize("mutation", [name for name, whose in MUTATIONS.items() if whose not in OF_NOBODY])
async def test_whoever_names_the_victim_is_stopped_at_the_door(world: World, mutation: str) -> None:
    document, before = mutation_document(mutation), fingerprint(world)
    given = input_of(mutation, inputs(world.victim))
    for stopped, unknown in zip(world.stopped("victim"), world.stopped("no-such"), strict=True):
        foreign = await world.send(stopped, document, {"input": given})
        missing = await world.send(unknown, document, {"input": given})
        assert (foreign.status, foreign.text) == (403, missing.text), stopped
    assert fingerprint(world) == before


@pytest.mark.parametrize(
    "mutation", [name for name, whose in MUTATIONS.items() if whose in (Whose.MERCHANT, Whose.BUYER_OR_MERCHANT)]
)
async def test_an_id_with_ones_own_merchant_forged_into_it_finds_nothing(world: World, mutation: str) -> None:
    document, before, own = mutation_document(mutation), fingerprint(world), world.rival.merchant.id
    given = swapped(input_of(mutation, inputs(world.victim)), lambda text: forged(text, own))
    missing = swapped(given, lambda text: forged(elsewhere(text), own))
    shown = await world.send(world.owner_of(world.rival), document, {"input": given})
    unknown = await world.send(world.owner_of(world.rival), document, {"input": missing})
    assert refused(shown, mutation), shown.text
    assert shown.without(*ids_in(given)) == unknown.without(*ids_in(missing))
    assert fingerprint(world) == before


async def test_a_draft_of_another_merchant_can_be_neither_quoted_nor_told_from_nothing(world: World) -> None:
    document = mutation_document("checkoutQuote")
    given = {"cart": world.victim.subjects["draft"]["cart"]}
    variant = given["cart"]["lines"][0]["variantId"]
    for asker in (Asker("buyer", world.rival.buyer), world.owner_of(world.rival)):
        drafted = await world.send(asker, document, {"input": given})
        for missing in (elsewhere(variant), forged(elsewhere(variant), world.victim.merchant.id)):
            other = await world.send(asker, document, {"input": swapped(given, lambda _, to=missing: to)})
            assert refused(drafted, "checkoutQuote"), drafted.text
            assert drafted.without(variant) == other.without(missing)


def newest_rules(world: World) -> int:
    """The version of the review rules that was proposed last."""
    with psycopg.connect(world.mall.database.logins.owner) as connection:
        row = connection.execute("SELECT max(version) FROM platform.review_rule_set").fetchone()
    assert row
    return int(row[0])


async def succeeds(world: World, asker: Asker, mutation: str, **changed: Any) -> None:
    """The mutation with the victim's samples, as somebody who may."""
    given = {**input_of(mutation, inputs(world.victim)), **changed}
    reply = await world.send(asker, mutation_document(mutation), {"input": given})
    assert reply.body.get("data"), reply.text
    assert reply.body["data"][mutation]["__typename"] == success_of(mutation), reply.text


@pytest.mark.parametrize("mutation", [name for name, whose in MUTATIONS.items() if whose not in OF_PLATFORM])
async def test_the_same_mutation_succeeds_for_whoever_may(world: World, mutation: str) -> None:
    whose = MUTATIONS[mutation]
    of_buyer = whose in (Whose.BUYER, Whose.BUYER_OR_MERCHANT, Whose.ANYONE, Whose.OWN, *WITHOUT_ROLES)
    before = fingerprint(world)
    await succeeds(world, Asker("buyer", world.victim.buyer) if of_buyer else world.owner_of(world.victim), mutation)
    assert (fingerprint(world) != before) is (whose not in OF_NOBODY)


async def test_the_platforms_mutations_succeed_for_whoever_may(world: World) -> None:
    admin = Asker("admin", world.platform_roles[PlatformRole.ADMIN])
    finance = Asker("finance", world.platform_roles[PlatformRole.FINANCE])
    of_finance = (
        "commissionPlanPropose",
        "approvalChainSet",
        "payoutRelease",
        "payoutRetry",
        "payoutCancel",
        "payoutResolve",
        "refundResolve",
        "chargebackOpen",
        "chargebackRespond",
        "chargebackLose",
        "chargebackWin",
        "debtWriteOffPropose",
        "exchangeBook",
        "reconcile",
        "bankLineMatch",
        "bankLineDismiss",
    )
    for mutation in of_finance:
        await succeeds(world, finance, mutation)
    await succeeds(world, admin, "commissionPlanApprove")
    await succeeds(world, admin, "approvalChainApprove")
    await succeeds(world, finance, "commissionPlanPropose", effectiveFrom="2026-07-01T00:00:00Z")
    await succeeds(world, admin, "commissionPlanReject", version=2)
    leaving = await a_merchant(world.mall.database, "leaving")  # the victim is still to be read from
    await succeeds(world, admin, "merchantClose", merchant=encode_id("MerchantRecord", leaving.id))
    await succeeds(world, admin, "merchantFinish", merchant=encode_id("MerchantRecord", leaving.id))
    closing = {"merchantClose", "merchantFinish"}
    done = {*of_finance, *closing, "approvalChainApprove", "commissionPlanApprove", "commissionPlanReject"}
    reviewer = Asker("reviewer", world.platform_roles[PlatformRole.REVIEWER])
    for decision in ("reviewRulesReject", "reviewRulesApprove"):
        await succeeds(world, admin, "reviewRulesPropose")
        await succeeds(world, reviewer, decision, version=newest_rules(world))
    done |= {"reviewRulesPropose", "reviewRulesReject", "reviewRulesApprove"}
    for mutation in [name for name, whose in MUTATIONS.items() if whose in OF_PLATFORM and name not in done]:
        await succeeds(world, finance if mutation.startswith("payeeAccount") else admin, mutation)
