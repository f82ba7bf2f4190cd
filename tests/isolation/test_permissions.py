"""Every field and mutation asks for exactly the permission that it should, of every role.

One table says which; what is not in it fails. Who holds a permission is not repeated here: the matrix says it.
"""

from typing import Any

import pytest

from merchantry.domain.permission import MerchantRole, Permission, PlatformRole, may
from tests.isolation.generator import (
    LEFT_OUT,
    field_document,
    fields_of,
    input_of,
    mutation_document,
    success_of,
)
from tests.isolation.samples import arguments, inputs
from tests.isolation.webhooks import OF_WEBHOOKS
from tests.isolation.world import Asker, Reply, World, elsewhere, forged, swapped

pytestmark = pytest.mark.asyncio(loop_scope="session")

P = Permission
FREE = None
"""Needs no role: whoever is let in as staff may, or whoever is signed in."""

MERCHANT_FIELDS: dict[str, Permission | None] = {
    "id": FREE,
    "slug": FREE,
    "profile": P.PRODUCT_READ,
    "products": P.PRODUCT_READ,
    "orders": P.ORDER_READ,
    "order": P.ORDER_READ,
    "customers": P.ORDER_READ,
    "refunds": P.ORDER_READ,
    "returns": P.ORDER_READ,
    "chargebacks": P.LEDGER_READ,
    "balance": P.LEDGER_READ,
    "splits": P.LEDGER_READ,
    "payeeAccounts": P.PAYEE_READ,
    "statements": P.LEDGER_READ,
    "statement": P.LEDGER_READ,
    "statementPreview": P.LEDGER_READ,
    "settlementSchedule": P.LEDGER_READ,
    "settlementTerms": P.LEDGER_READ,
    "payouts": P.LEDGER_READ,
    "payout": P.LEDGER_READ,
    "closingBlockers": P.LEDGER_READ,
    "coupons": P.COUPON_READ,
    "notifications": P.NOTIFICATION_READ,
    "changes": P.NOTIFICATION_READ,
    "cases": P.CASE_READ,
    "auditEvents": P.AUDIT_READ,
    "reports": P.REPORT_READ,
    "staff": P.STAFF_READ,
    "documentLanguage": P.LEDGER_READ,
    "machineTokens": P.TOKEN_READ,
    "webhookEndpoints": P.WEBHOOK_READ,
    "webhookDeliveries": P.WEBHOOK_READ,
}

PLATFORM_FIELDS = {
    "chargebacks": P.PLATFORM_CHARGEBACK_READ,
    "debts": P.PLATFORM_DEBT_READ,
    "merchants": P.PLATFORM_MERCHANT_READ,
    "merchant": P.PLATFORM_MERCHANT_READ,
    "commissionReport": P.PLATFORM_REPORT_READ,
    "orders": P.PLATFORM_ORDER_READ,
    "refunds": P.PLATFORM_ORDER_READ,
    "settlementReport": P.PLATFORM_REPORT_READ,
    "commissionPlans": P.PLATFORM_PLAN_READ,
    "coupons": P.PLATFORM_COUPON_READ,
    "taxRates": P.PLATFORM_TAX_READ,
    "approvalChains": P.PLATFORM_CASE_READ,
    "cases": P.PLATFORM_CASE_READ,
    "restoreGaps": P.PLATFORM_CASE_READ,
    "verifications": P.PLATFORM_VERIFICATION_READ,
    "case": P.PLATFORM_CASE_READ,
    "settlementRuns": P.PLATFORM_SETTLEMENT_READ,
    "settlementRun": P.PLATFORM_SETTLEMENT_READ,
    "closingBlockers": P.PLATFORM_SETTLEMENT_READ,
    "settlementMissedSince": P.PLATFORM_SETTLEMENT_READ,
    "settlementSchedule": P.PLATFORM_SETTLEMENT_READ,
    "settlementTerms": P.PLATFORM_SETTLEMENT_READ,
    "statements": P.PLATFORM_SETTLEMENT_READ,
    "statement": P.PLATFORM_SETTLEMENT_READ,
    "payouts": P.PLATFORM_SETTLEMENT_READ,
    "payout": P.PLATFORM_SETTLEMENT_READ,
    "payoutReleaseLimits": P.PLATFORM_SETTLEMENT_READ,
    "logRequirement": P.PLATFORM_SETTLEMENT_READ,
    "reconciliation": P.PLATFORM_RECONCILIATION_READ,
    "reviewRules": P.PLATFORM_REVIEW_READ,
    "reviewTrail": P.PLATFORM_REVIEW_READ,
    "auditEvents": P.PLATFORM_AUDIT_READ,
    "reports": P.PLATFORM_REPORT_READ,
    "machineTokens": P.PLATFORM_TOKEN_READ,
    "webhookEndpoints": P.PLATFORM_WEBHOOK_READ,
    "webhookDeliveries": P.PLATFORM_WEBHOOK_READ,
}

MUTATIONS: dict[str, Permission | None] = {
    "checkoutQuote": FREE,
    "guestCheckoutBegin": FREE,
    "guestCheckoutClaim": FREE,
    "viewerErase": FREE,
    "notificationsMarkRead": FREE,
    "viewerLanguageSet": FREE,
    "viewerEmailSet": FREE,
    "notificationPreferenceSet": FREE,
    "buyerErase": P.PLATFORM_BUYER_ERASE,
    "checkoutPlace": FREE,
    "checkoutPay": FREE,
    "checkoutCancel": FREE,
    "orderConfirmReceipt": FREE,
    "orderShip": P.ORDER_SHIP,
    "refundCreate": P.REFUND_WRITE,
    "refundRetry": P.REFUND_WRITE,
    "refundResolve": P.PLATFORM_REFUND_WRITE,
    "refundMarkOffline": P.REFUND_WRITE,
    "returnRequest": FREE,
    "returnWithdraw": FREE,
    "returnApprove": P.REFUND_WRITE,
    "returnReject": P.REFUND_WRITE,
    "returnReceive": P.REFUND_WRITE,
    "chargebackOpen": P.PLATFORM_CHARGEBACK_WRITE,
    "chargebackRespond": P.PLATFORM_CHARGEBACK_WRITE,
    "chargebackLose": P.PLATFORM_CHARGEBACK_WRITE,
    "chargebackWin": P.PLATFORM_CHARGEBACK_WRITE,
    "debtWriteOffPropose": P.PLATFORM_DEBT_WRITE,
    "exchangeBook": P.PLATFORM_EXCHANGE_BOOK,
    "shipmentDeliver": P.ORDER_SHIP,
    "orderCancel": P.ORDER_CANCEL,
    "productCreate": P.PRODUCT_WRITE,
    "productUpdate": P.PRODUCT_WRITE,
    "productPublish": P.PRODUCT_WRITE,
    "productUnpublish": P.PRODUCT_WRITE,
    "priceSet": P.PRODUCT_WRITE,
    "stockAdjust": P.STOCK_WRITE,
    "stockSetMany": P.STOCK_WRITE,
    "productUpsert": P.PRODUCT_WRITE,
    "productUpsertMany": P.PRODUCT_WRITE,
    "orderAnnotate": P.ORDER_SHIP,
    "orderShipByExtend": P.ORDER_SHIP,
    "reportSave": P.REPORT_READ,
    "platformReportSave": P.PLATFORM_REPORT_READ,
    "reportProduce": P.REPORT_READ,
    "reportDelete": P.REPORT_READ,
    "couponCreate": P.COUPON_WRITE,
    "couponPause": P.COUPON_WRITE,
    "couponResume": P.COUPON_WRITE,
    "couponEnd": P.COUPON_WRITE,
    "platformCouponCreate": P.PLATFORM_COUPON_WRITE,
    "taxRateSet": P.PLATFORM_TAX_WRITE,
    "staffGrant": P.STAFF_WRITE,
    "staffRevoke": P.STAFF_WRITE,
    "machineTokenCreate": P.TOKEN_WRITE,
    "machineTokenRotate": P.TOKEN_WRITE,
    "machineTokenRevoke": P.TOKEN_WRITE,
    "platformMachineTokenCreate": P.PLATFORM_TOKEN_WRITE,
    "platformMachineTokenRotate": P.PLATFORM_TOKEN_WRITE,
    "platformMachineTokenRevoke": P.PLATFORM_TOKEN_WRITE,
    **dict.fromkeys(OF_WEBHOOKS, P.WEBHOOK_WRITE),
    **{f"platform{name[0].upper()}{name[1:]}": P.PLATFORM_WEBHOOK_WRITE for name in OF_WEBHOOKS},
    "platformRoleGrant": P.PLATFORM_STAFF_WRITE,
    "platformRoleRevoke": P.PLATFORM_STAFF_WRITE,
    "categoryCreate": P.PLATFORM_CATEGORY_CREATE,
    "categoryDaysSet": P.PLATFORM_CATEGORY_WRITE,
    "categoryUpdate": P.PLATFORM_CATEGORY_WRITE,
    "documentLanguageSet": P.STATEMENT_DECIDE,
    "shopDescriptionSet": P.PRODUCT_WRITE,
    "merchantCreate": P.PLATFORM_MERCHANT_CREATE,
    "merchantUpdate": P.PLATFORM_MERCHANT_WRITE,
    "merchantSuspend": P.PLATFORM_MERCHANT_SUSPEND,
    "merchantReactivate": P.PLATFORM_MERCHANT_SUSPEND,
    "merchantClose": P.PLATFORM_MERCHANT_CLOSE,
    "merchantFinish": P.PLATFORM_MERCHANT_CLOSE,
    "commissionPlanPropose": P.PLATFORM_PLAN_PROPOSE,
    "commissionPlanApprove": P.PLATFORM_PLAN_APPROVE,
    "commissionPlanReject": P.PLATFORM_PLAN_APPROVE,
    "commissionPlanReplay": P.PLATFORM_PLAN_PROPOSE,
    "payeeAccountAdd": P.PAYEE_WRITE,
    "payeeAccountVerify": P.PLATFORM_PAYEE_VERIFY,
    "payeeAccountFlag": P.PLATFORM_PAYEE_VERIFY,
    "payeeAccountUnflag": P.PLATFORM_PAYEE_VERIFY,
    "caseOpen": P.PLATFORM_CASE_WRITE,
    "caseComment": P.PLATFORM_CASE_WRITE,
    "caseAssign": P.PLATFORM_CASE_WRITE,
    "caseDecide": P.PLATFORM_CASE_DECIDE,
    "caseReopen": P.PLATFORM_CASE_DECIDE,
    "approvalChainSet": P.PLATFORM_CASE_CHAIN,
    "approvalChainApprove": P.PLATFORM_CASE_CHAIN,
    "reviewRulesPropose": P.PLATFORM_REVIEW_PROPOSE,
    "reviewRulesApprove": P.PLATFORM_REVIEW_APPROVE,
    "reviewRulesReject": P.PLATFORM_REVIEW_APPROVE,
    "reviewRulesTry": P.PLATFORM_REVIEW_PROPOSE,
    "statementAccept": P.STATEMENT_DECIDE,
    "statementObject": P.STATEMENT_DECIDE,
    "settlementRun": P.PLATFORM_SETTLEMENT_RUN,
    "settlementScheduleChange": P.PLATFORM_SETTLEMENT_WRITE,
    "settlementTermsSet": P.PLATFORM_SETTLEMENT_WRITE,
    "payoutRelease": P.PLATFORM_PAYOUT_RELEASE,
    "payoutRetry": P.PLATFORM_PAYOUT_WRITE,
    "payoutCancel": P.PLATFORM_PAYOUT_WRITE,
    "payoutResolve": P.PLATFORM_PAYOUT_WRITE,
    "payoutReleaseLimitSet": P.PLATFORM_PAYOUT_LIMIT,
    "logRequirementSet": P.PLATFORM_PAYOUT_LIMIT,
    "reconcile": P.PLATFORM_RECONCILIATION_WRITE,
    "bankLineMatch": P.PLATFORM_RECONCILIATION_WRITE,
    "bankLineDismiss": P.PLATFORM_RECONCILIATION_WRITE,
}

SPOILT = {
    "debtWriteOffPropose.reason": "",
    "merchantClose.reason": "",
    "reportSave.name": "",
    "platformReportSave.name": "",
    "productCreate.title": "",
    "machineTokenCreate.name": "",
    "WebhookEndpointCreateInput.url": "ftp://example.com",
    "platformMachineTokenCreate.name": "",
    "ProductUpsertInput.product": {},
    "ProductUpsertManyInput.rows": [],
    "StockSetManyInput.rows": [],
    "payeeAccountAdd.holder": "",
    "caseOpen.title": "",
    "categoryCreate.code": "Not A Code",
    "ShopDescriptionSetInput.description": "x" * 5_001,
    "CategoryDaysSetInput.code": "no-such-category",
    "CategoryUpdateInput.code": "no-such-category",
    "code": "Not A Code",
    "country": "Not A Country",
    "MerchantCreateInput.slug": "Not A Slug",
    "MerchantSuspendInput.slug": "no-such-merchant",
    "MerchantUpdateInput.slug": "no-such-merchant",
    "document": {},
    "steps": [],
    "ApprovalChainApproveInput.version": 99,
    "ReviewRulesProposeInput.document": {},
    "ReviewRulesTryInput.document": {},
    "ReviewRulesApproveInput.version": 99,
    "ReviewRulesRejectInput.version": 99,
    "CommissionPlanApproveInput.name": "no-such-plan",
    "CommissionPlanRejectInput.name": "no-such-plan",
    "checkoutPlace.quoteId": LEFT_OUT,
    "debtWriteOffPropose.currency": "JPY",
    "merchant": "no-such-merchant",
    "content": "no base64!",
    "limits": [{"amount": "-1.00", "currency": "BRL"}],
    "LogRequirementSetInput.reason": "",
}
"""What makes a mutation without ids fail after it has asked for the permission, so that nothing is done."""


async def test_the_table_names_every_field_and_mutation() -> None:
    assert set(MERCHANT_FIELDS) == set(fields_of("Merchant"))
    assert set(PLATFORM_FIELDS) == set(fields_of("Platform"))
    assert set(MUTATIONS) == set(fields_of("Mutation"))


def denied(reply: Reply, permission: Permission) -> bool:
    """Whether the answer is that this permission is missing. Any other failure is not a denial."""
    if errors := reply.body.get("errors"):
        assert [error["extensions"]["code"] for error in errors] == ["NOT_PERMITTED"], reply.text
        assert permission in errors[0]["message"]
        return True
    return False


@pytest.mark.parametrize("name", fields_of("Merchant"))
async def test_a_merchants_field_answers_the_roles_of_the_matrix(world: World, name: str) -> None:
    document = field_document("merchant", "Merchant", name, arguments(world.victim))
    permission = MERCHANT_FIELDS[name]
    for role, person in world.roles.items():
        reply = await world.send(Asker(role, person, "victim"), document.text)
        allowed = permission is None or may({role}, permission)
        assert denied(reply, permission or P.STAFF_READ) is not allowed, (role, reply.text)
        answered = ((reply.body["data"] or {}).get("merchant") or {}).get(name)
        assert bool(answered) is allowed, (role, reply.text)


@pytest.mark.parametrize("name", fields_of("Platform"))
async def test_a_platforms_field_answers_the_roles_of_the_matrix(world: World, name: str) -> None:
    document = field_document("platform", "Platform", name, arguments(world.victim))
    for role, person in world.platform_roles.items():
        reply = await world.send(Asker(role, person), document.text)
        assert denied(reply, PLATFORM_FIELDS[name]) is not may({role}, PLATFORM_FIELDS[name]), (role, reply.text)


ALWAYS_DONE = {"documentLanguageSet"}
"""Mutations whose every input can be done, so that nothing but a missing permission refuses them."""


def idle_input(world: World, mutation: str) -> dict[str, Any]:
    """An input that names only what the victim does not have, or says what can't be."""
    given = input_of(mutation, {**inputs(world.victim), **SPOILT})
    return {**swapped(given, lambda text: forged(elsewhere(text), world.victim.merchant.id))}


@pytest.mark.parametrize("mutation", [name for name, permission in MUTATIONS.items() if permission])
async def test_a_mutation_lets_on_the_roles_of_the_matrix(world: World, mutation: str) -> None:
    permission, document = MUTATIONS[mutation], mutation_document(mutation)
    assert permission
    of_platform = permission.startswith("platform.")
    people: dict[Any, str] = {**world.platform_roles} if of_platform else {**world.roles}
    for role, person in people.items():
        asker = Asker(role, person, None if of_platform else "victim")
        reply = await world.send(asker, document, {"input": idle_input(world, mutation)})
        answer = reply.body["data"][mutation]
        was_done = answer["__typename"] == success_of(mutation)
        assert not was_done or mutation in ALWAYS_DONE, "the input should have been refused for another reason"
        is_denied = answer["__typename"] == "NotPermitted"
        assert is_denied is not may({role}, permission), (role, reply.text)
        if is_denied:
            assert permission in answer["message"]


@pytest.mark.parametrize("mutation", [name for name, permission in MUTATIONS.items() if permission])
async def test_a_role_of_the_other_side_is_worth_nothing(world: World, mutation: str) -> None:
    """An owner is nobody at the platform, and an admin of the platform is nobody at a merchant."""
    permission, document = MUTATIONS[mutation], mutation_document(mutation)
    assert permission
    given = {"input": idle_input(world, mutation)}
    if permission.startswith("platform."):
        reply = await world.send(Asker("owner", world.roles[MerchantRole.OWNER], "victim"), document, given)
        assert reply.body["data"][mutation]["__typename"] == "NotPermitted"
    else:
        admin = world.platform_roles[PlatformRole.ADMIN]
        reply = await world.send(Asker("admin", admin), document, given)
        codes = [error["extensions"]["code"] for error in reply.body.get("errors", [])]
        problem = (reply.body["data"] or {}).get(mutation, {}).get("__typename")
        assert codes == ["NO_MERCHANT_SELECTED"] or problem == "NotFound", reply.text
