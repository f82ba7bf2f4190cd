"""What generated documents are filled with: by ``Type.field.argument``, ``mutation.field``, ``Input.field`` or name.

An argument or input field that is not here fails the tests: add it, with a value that reaches what could leak.
"""

from typing import Any
from uuid import uuid4

from graphql_api.relay import encode_id
from tests.isolation.generator import LEFT_OUT
from tests.isolation.world import Sphere


def arguments(sphere: Sphere) -> dict[str, Any]:
    """Sample arguments of fields that are read."""
    return {
        "first": 50,
        "after": LEFT_OUT,
        "Merchant.orders.status": LEFT_OUT,
        "Merchant.order.number": sphere.order_number,
        "Merchant.balance.at": LEFT_OUT,
        "Platform.merchants.status": LEFT_OUT,
        "Platform.merchant.slug": sphere.slug,
        "from": "2026-01-01",
        "to": "2027-01-01",
        "Platform.commissionReport.groupBy": ["MERCHANT", "CATEGORY"],
        "Platform.settlementReport.groupBy": ["MERCHANT"],
        "merchants": LEFT_OUT,
        "Merchant.cases.status": LEFT_OUT,
        "Merchant.cases.kind": LEFT_OUT,
        "Platform.cases.status": ["OPEN"],
        "Platform.cases.kind": LEFT_OUT,
        "Platform.cases.merchant": LEFT_OUT,
        "Platform.cases.mine": False,
        "Merchant.statement.number": sphere.statement_number,
        "Merchant.payout.number": sphere.payout_number,
        "statuses": LEFT_OUT,
        "Platform.settlementRun.id": encode_id("SettlementRun", sphere.merchant.id),
        "Platform.payouts.merchant": LEFT_OUT,
        "Platform.statement.number": sphere.statement_number,
        "Platform.payout.number": sphere.payout_number,
        "merchant": encode_id("MerchantRecord", sphere.merchant.id),
        "Platform.case.id": sphere.subjects["caseComment"]["caseId"],
    }


def inputs(sphere: Sphere) -> dict[str, Any]:
    """Sample inputs of mutations, about what belongs to the sphere."""
    subjects = {
        f"{mutation}.{name}": each for mutation, given in sphere.subjects.items() for name, each in given.items()
    }
    return {
        "idempotencyKey": lambda: str(uuid4()),
        "checkoutPlace.cart": LEFT_OUT,
        "couponCodes": [sphere.subjects["couponCodes"]["code"]],
        "CartInput.total": LEFT_OUT,
        "code": lambda: f"NEW-{uuid4().hex[:20]}",
        "percentBps": 500,
        "amounts": LEFT_OUT,
        "most": [{"amount": "90.00", "currency": "BRL"}],
        "categories": ["toys"],
        "CouponCreateInput.products": LEFT_OUT,
        "merchantShareBps": 2000,
        "PlatformCouponCreateInput.merchants": [encode_id("MerchantRecord", sphere.merchant.id)],
        "startsAt": LEFT_OUT,
        "endsAt": "2027-01-01T00:00:00Z",
        "mostUses": 5,
        "mostUsesPerBuyer": 1,
        "country": "DE",
        "region": "BE",
        "TaxRateSetInput.category": LEFT_OUT,
        "jurisdiction": "DE-BE",
        "rateBps": 1900,
        "inclusive": True,
        "coversShipping": True,
        "remittedBy": "MERCHANT",
        "carrier": "Correios",
        "trackingNumber": "BR1",
        "reason": "changed my mind",
        "change": 1,
        "title": "A new title",
        "description": "A new description",
        "category": "toys",
        "imageUrls": ["https://images.test/2.jpg"],
        "ProductCreateInput.variants": lambda: [_variant()],
        "newVariants": lambda: [_variant()],
        "accountId": sphere.subjects["staffRevoke"]["accountId"],
        "StaffRoleInput.role": "VIEWER",
        "PlatformRoleInput.role": "ANALYST",
        "CategoryCreateInput.code": lambda: f"category-{uuid4().hex}",
        "CategoryCreateInput.name": "A category",
        "CategoryCreateInput.parent": LEFT_OUT,
        "MerchantCreateInput.slug": lambda: f"new-{uuid4().hex[:12]}",
        "MerchantSuspendInput.slug": sphere.slug,
        "MerchantUpdateInput.slug": sphere.slug,
        "acceptsCash": False,
        "legalName": "New Ltda",
        "displayName": "New",
        "timeZone": "America/Sao_Paulo",
        "currency": "BRL",
        "settlementCycle": "WEEKLY",
        "commissionPlan": "standard",
        "shippingOptions": [{"code": "flat", "title": "Flat", "prices": [{"amount": "5.00", "currency": "BRL"}]}],
        "CommissionPlanProposeInput.name": "generous",
        "CommissionPlanApproveInput.name": "generous",
        "CommissionPlanRejectInput.name": "generous",
        "CommissionPlanReplayInput.name": LEFT_OUT,
        "CommissionPlanReplayInput.from": "2026-03-01",
        "CommissionPlanReplayInput.to": "2026-04-01",
        "CommissionPlanReplayInput.merchants": [encode_id("MerchantRecord", sphere.merchant.id)],
        "CommissionPlanReplayInput.first": 10,
        "CommissionPlanReplayInput.after": LEFT_OUT,
        "version": 1,
        "document": {
            "name": "generous",
            "currency": "BRL",
            "base": "goods",
            "hold_days": 7,
            "default": {"rate_bps": 1},
        },
        "effectiveFrom": "2026-06-01T00:00:00Z",
        "caseOpen.merchantId": encode_id("MerchantRecord", sphere.merchant.id),
        "caseOpen.evidence": [{"name": "seen", "value": "a second account"}],
        "caseOpen.amount": {"amount": "1.00", "currency": "BRL"},
        "dueAt": "2026-06-01T00:00:00Z",
        "text": "I have asked them",
        "vote": "APPROVE",
        "payeeAccountAdd.kind": "BANK",
        "payeeAccountAdd.currency": "JPY",
        "payeeAccountAdd.holder": "Ana Souza",
        "iban": "DE89370400440532013000",
        "accountNumber": LEFT_OUT,
        "bic": LEFT_OUT,
        "payeeAccountAdd.country": LEFT_OUT,
        "walletId": LEFT_OUT,
        "statementObject.amount": {"amount": "1.00", "currency": "BRL"},
        "merchant": sphere.slug,
        "until": LEFT_OUT,
        "cycle": "MONTHLY",
        "anchorDay": 1,
        "everyDays": 1,
        "anchoredOn": LEFT_OUT,
        "daysOfMonth": LEFT_OUT,
        "closing": "18:00",
        "reserveBps": 100,
        "reserveDays": 30,
        "objectionDays": 20,
        "limits": [{"amount": "1000.00", "currency": "BRL"}],
        "outcome": "REJECTED",
        "evidence": "the bank says so",
        **subjects,
    }


def _variant() -> dict[str, Any]:
    return {"sku": f"NEW-{uuid4().hex}", "title": "", "prices": [{"amount": "1.00", "currency": "BRL"}], "onHand": 1}
