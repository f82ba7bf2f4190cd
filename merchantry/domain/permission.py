"""Who may do what: one matrix of permissions and roles, from which docs/permissions.md is made."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class MerchantRole(StrEnum):
    """What a person is at one merchant."""

    OWNER = "owner"
    MANAGER = "manager"
    FULFILMENT = "fulfilment"
    ACCOUNTANT = "accountant"
    VIEWER = "viewer"


class PlatformRole(StrEnum):
    """What a person is at the platform."""

    ADMIN = "admin"
    FINANCE = "finance"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What can be done. Those that start with `platform.` reach across merchants, all others one merchant only."""

    PRODUCT_READ = "product.read"
    PRODUCT_WRITE = "product.write"
    STOCK_WRITE = "stock.write"
    COUPON_READ = "coupon.read"
    COUPON_WRITE = "coupon.write"
    ORDER_READ = "order.read"
    ORDER_SHIP = "order.ship"
    CONTACT_READ = "contact.read"
    ORDER_CANCEL = "order.cancel"
    REFUND_WRITE = "refund.write"
    LEDGER_READ = "ledger.read"
    PAYEE_READ = "payee.read"
    PAYEE_WRITE = "payee.write"
    STATEMENT_DECIDE = "statement.decide"
    STAFF_READ = "staff.read"
    STAFF_WRITE = "staff.write"
    TOKEN_READ = "token.read"
    TOKEN_WRITE = "token.write"
    WEBHOOK_READ = "webhook.read"
    WEBHOOK_WRITE = "webhook.write"
    NOTIFICATION_READ = "notification.read"
    CASE_READ = "case.read"
    AUDIT_READ = "audit.read"
    REPORT_READ = "report.read"
    PLATFORM_MERCHANT_READ = "platform.merchant.read"
    PLATFORM_MERCHANT_CREATE = "platform.merchant.create"
    PLATFORM_MERCHANT_WRITE = "platform.merchant.write"
    PLATFORM_MERCHANT_SUSPEND = "platform.merchant.suspend"
    PLATFORM_MERCHANT_CLOSE = "platform.merchant.close"
    PLATFORM_CATEGORY_CREATE = "platform.category.create"
    PLATFORM_CATEGORY_WRITE = "platform.category.write"
    PLATFORM_COUPON_READ = "platform.coupon.read"
    PLATFORM_COUPON_WRITE = "platform.coupon.write"
    PLATFORM_TAX_READ = "platform.tax.read"
    PLATFORM_TAX_WRITE = "platform.tax.write"
    PLATFORM_STAFF_WRITE = "platform.staff.write"
    PLATFORM_TOKEN_READ = "platform.token.read"
    PLATFORM_TOKEN_WRITE = "platform.token.write"
    PLATFORM_WEBHOOK_READ = "platform.webhook.read"
    PLATFORM_WEBHOOK_WRITE = "platform.webhook.write"
    PLATFORM_ORDER_READ = "platform.order.read"
    PLATFORM_BUYER_READ = "platform.buyer.read"
    PLATFORM_REPORT_READ = "platform.report.read"
    PLATFORM_PLAN_READ = "platform.plan.read"
    PLATFORM_PLAN_PROPOSE = "platform.plan.propose"
    PLATFORM_PLAN_APPROVE = "platform.plan.approve"
    PLATFORM_SETTLEMENT_READ = "platform.settlement.read"
    PLATFORM_SETTLEMENT_RUN = "platform.settlement.run"
    PLATFORM_SETTLEMENT_WRITE = "platform.settlement.write"
    PLATFORM_PAYOUT_RELEASE = "platform.payout.release"
    PLATFORM_PAYOUT_WRITE = "platform.payout.write"
    PLATFORM_PAYOUT_LIMIT = "platform.payout.limit"
    PLATFORM_RECONCILIATION_READ = "platform.reconciliation.read"
    PLATFORM_RECONCILIATION_WRITE = "platform.reconciliation.write"
    PLATFORM_CASE_READ = "platform.case.read"
    PLATFORM_CASE_WRITE = "platform.case.write"
    PLATFORM_CASE_DECIDE = "platform.case.decide"
    PLATFORM_CASE_CHAIN = "platform.case.chain"
    PLATFORM_PAYEE_VERIFY = "platform.payee.verify"
    PLATFORM_REFUND_WRITE = "platform.refund.write"
    PLATFORM_CHARGEBACK_READ = "platform.chargeback.read"
    PLATFORM_CHARGEBACK_WRITE = "platform.chargeback.write"
    PLATFORM_DEBT_READ = "platform.debt.read"
    PLATFORM_DEBT_WRITE = "platform.debt.write"
    PLATFORM_EXCHANGE_BOOK = "platform.exchange.book"
    PLATFORM_REVIEW_READ = "platform.review.read"
    PLATFORM_REVIEW_PROPOSE = "platform.review.propose"
    PLATFORM_REVIEW_APPROVE = "platform.review.approve"
    PLATFORM_AUDIT_READ = "platform.audit.read"
    PLATFORM_VERIFICATION_READ = "platform.verification.read"
    PLATFORM_BUYER_ERASE = "platform.buyer.erase"

    @property
    def is_reading(self) -> bool:
        """Whether nothing is changed by it."""
        return self.endswith(".read")

    @property
    def reads_across(self) -> bool:
        """Whether it reads what belongs to merchants, in the platform's name; each such read is audited."""
        return self.startswith("platform.") and self.is_reading and self not in _OF_THE_MALL


Role = MerchantRole | PlatformRole

_P = Permission
_OF_THE_MALL: Final = frozenset(
    {_P.PLATFORM_TAX_READ, _P.PLATFORM_PLAN_READ, _P.PLATFORM_TOKEN_READ, _P.PLATFORM_WEBHOOK_READ}
)
_OWNER, _MANAGER, _FULFILMENT, _ACCOUNTANT, _VIEWER = MerchantRole
_ADMIN, _FINANCE, _REVIEWER, _ANALYST, _AUDITOR = PlatformRole

MATRIX: Final[Mapping[Permission, frozenset[Role]]] = MappingProxyType(
    {
        _P.PRODUCT_READ: frozenset({_OWNER, _MANAGER, _FULFILMENT, _ACCOUNTANT, _VIEWER}),
        _P.PRODUCT_WRITE: frozenset({_OWNER, _MANAGER}),
        _P.STOCK_WRITE: frozenset({_OWNER, _MANAGER, _FULFILMENT}),
        _P.COUPON_READ: frozenset({_OWNER, _MANAGER, _ACCOUNTANT, _VIEWER}),
        _P.COUPON_WRITE: frozenset({_OWNER, _MANAGER}),
        _P.ORDER_READ: frozenset({_OWNER, _MANAGER, _FULFILMENT, _ACCOUNTANT, _VIEWER}),
        _P.ORDER_SHIP: frozenset({_OWNER, _MANAGER, _FULFILMENT}),
        _P.CONTACT_READ: frozenset({_OWNER, _MANAGER, _FULFILMENT}),
        _P.ORDER_CANCEL: frozenset({_OWNER, _MANAGER}),
        _P.REFUND_WRITE: frozenset({_OWNER, _MANAGER}),
        _P.LEDGER_READ: frozenset({_OWNER, _MANAGER, _ACCOUNTANT}),
        _P.PAYEE_READ: frozenset({_OWNER, _ACCOUNTANT}),
        _P.PAYEE_WRITE: frozenset({_OWNER}),
        _P.STATEMENT_DECIDE: frozenset({_OWNER, _ACCOUNTANT}),
        _P.STAFF_READ: frozenset({_OWNER, _MANAGER}),
        _P.STAFF_WRITE: frozenset({_OWNER}),
        _P.TOKEN_READ: frozenset({_OWNER, _MANAGER}),
        _P.TOKEN_WRITE: frozenset({_OWNER, _MANAGER}),
        _P.WEBHOOK_READ: frozenset({_OWNER, _MANAGER}),
        _P.WEBHOOK_WRITE: frozenset({_OWNER}),
        _P.NOTIFICATION_READ: frozenset({_OWNER, _MANAGER, _FULFILMENT, _ACCOUNTANT, _VIEWER}),
        _P.CASE_READ: frozenset({_OWNER, _MANAGER, _ACCOUNTANT}),
        _P.AUDIT_READ: frozenset({_OWNER, _MANAGER, _ACCOUNTANT}),
        _P.REPORT_READ: frozenset({_OWNER, _MANAGER, _ACCOUNTANT}),
        _P.PLATFORM_MERCHANT_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _ANALYST, _AUDITOR}),
        _P.PLATFORM_MERCHANT_CREATE: frozenset({_ADMIN}),
        _P.PLATFORM_MERCHANT_WRITE: frozenset({_ADMIN}),
        _P.PLATFORM_MERCHANT_SUSPEND: frozenset({_ADMIN, _REVIEWER}),
        _P.PLATFORM_MERCHANT_CLOSE: frozenset({_ADMIN}),
        _P.PLATFORM_CATEGORY_CREATE: frozenset({_ADMIN}),
        _P.PLATFORM_CATEGORY_WRITE: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_COUPON_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _AUDITOR}),
        _P.PLATFORM_COUPON_WRITE: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_TAX_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _ANALYST, _AUDITOR}),
        _P.PLATFORM_TAX_WRITE: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_STAFF_WRITE: frozenset({_ADMIN}),
        _P.PLATFORM_TOKEN_READ: frozenset({_ADMIN, _AUDITOR}),
        _P.PLATFORM_TOKEN_WRITE: frozenset({_ADMIN}),
        _P.PLATFORM_WEBHOOK_READ: frozenset({_ADMIN, _AUDITOR}),
        _P.PLATFORM_WEBHOOK_WRITE: frozenset({_ADMIN}),
        _P.PLATFORM_ORDER_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _ANALYST, _AUDITOR}),
        _P.PLATFORM_BUYER_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _AUDITOR}),
        _P.PLATFORM_REPORT_READ: frozenset({_ADMIN, _FINANCE, _ANALYST, _AUDITOR}),
        _P.PLATFORM_PLAN_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _ANALYST, _AUDITOR}),
        _P.PLATFORM_PLAN_PROPOSE: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_PLAN_APPROVE: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_SETTLEMENT_READ: frozenset({_ADMIN, _FINANCE, _AUDITOR}),
        _P.PLATFORM_SETTLEMENT_RUN: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_SETTLEMENT_WRITE: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_PAYOUT_RELEASE: frozenset({_FINANCE}),
        _P.PLATFORM_PAYOUT_WRITE: frozenset({_FINANCE}),
        _P.PLATFORM_PAYOUT_LIMIT: frozenset({_ADMIN}),
        _P.PLATFORM_RECONCILIATION_READ: frozenset({_ADMIN, _FINANCE, _AUDITOR}),
        _P.PLATFORM_RECONCILIATION_WRITE: frozenset({_FINANCE}),
        _P.PLATFORM_CASE_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _AUDITOR}),
        _P.PLATFORM_CASE_WRITE: frozenset({_ADMIN, _FINANCE, _REVIEWER}),
        _P.PLATFORM_CASE_DECIDE: frozenset({_ADMIN, _FINANCE, _REVIEWER}),
        _P.PLATFORM_CASE_CHAIN: frozenset({_ADMIN, _FINANCE}),
        _P.PLATFORM_PAYEE_VERIFY: frozenset({_FINANCE, _REVIEWER}),
        _P.PLATFORM_REFUND_WRITE: frozenset({_FINANCE}),
        _P.PLATFORM_CHARGEBACK_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _AUDITOR}),
        _P.PLATFORM_CHARGEBACK_WRITE: frozenset({_FINANCE}),
        _P.PLATFORM_DEBT_READ: frozenset({_ADMIN, _FINANCE, _AUDITOR}),
        _P.PLATFORM_DEBT_WRITE: frozenset({_FINANCE}),
        _P.PLATFORM_EXCHANGE_BOOK: frozenset({_FINANCE}),
        _P.PLATFORM_REVIEW_READ: frozenset({_ADMIN, _FINANCE, _REVIEWER, _AUDITOR}),
        _P.PLATFORM_REVIEW_PROPOSE: frozenset({_ADMIN, _REVIEWER}),
        _P.PLATFORM_REVIEW_APPROVE: frozenset({_ADMIN, _REVIEWER}),
        _P.PLATFORM_AUDIT_READ: frozenset({_ADMIN, _AUDITOR}),
        _P.PLATFORM_VERIFICATION_READ: frozenset({_ADMIN, _FINANCE, _AUDITOR}),
        _P.PLATFORM_BUYER_ERASE: frozenset({_ADMIN, _REVIEWER}),
    }
)
"""Analysts read reports and records of orders, which show no buyer, and can't ask for the orders of one. Who
proposes a plan and who approves it may hold the same role, but are never the same person: that is checked where it is
approved. Whoever may release payouts does not decide from which amount on they must be released."""


FOR_PEOPLE: Final = frozenset(
    {
        _P.STAFF_WRITE,
        _P.TOKEN_READ,
        _P.TOKEN_WRITE,
        _P.PAYEE_WRITE,
        _P.STATEMENT_DECIDE,
        _P.PLATFORM_STAFF_WRITE,
        _P.PLATFORM_TOKEN_READ,
        _P.PLATFORM_TOKEN_WRITE,
        _P.PLATFORM_MERCHANT_CLOSE,
        _P.PLATFORM_PLAN_PROPOSE,
        _P.PLATFORM_PLAN_APPROVE,
        _P.PLATFORM_PAYOUT_RELEASE,
        _P.PLATFORM_PAYOUT_WRITE,
        _P.PLATFORM_PAYOUT_LIMIT,
        _P.PLATFORM_CASE_WRITE,
        _P.PLATFORM_CASE_DECIDE,
        _P.PLATFORM_CASE_CHAIN,
        _P.PLATFORM_PAYEE_VERIFY,
        _P.PLATFORM_REFUND_WRITE,
        _P.PLATFORM_DEBT_WRITE,
        _P.PLATFORM_REVIEW_PROPOSE,
        _P.PLATFORM_REVIEW_APPROVE,
        _P.PLATFORM_BUYER_ERASE,
    }
)
"""What no machine's token can hold: where people decide, where two of them must agree, and who has which rights. With
it one person with a token would be two."""


def may(roles: Collection[str], permission: Permission) -> bool:
    """Whether one of the roles has the permission. Merchant roles are those at the merchant in question.

    Machines hold permissions in the place of roles; no permission has a role's name.
    """
    return not MATRIX[permission].isdisjoint(roles) or (permission in roles and permission not in FOR_PEOPLE)


def held(roles: Collection[str]) -> frozenset[Permission]:
    """Every permission that these roles give."""
    return frozenset(permission for permission in Permission if may(roles, permission))


def markdown() -> str:
    """The matrix as two Markdown tables: permissions of one merchant, then of the platform."""
    of_platform = [permission for permission in Permission if permission.startswith("platform.")]
    of_merchant = [permission for permission in Permission if permission not in of_platform]
    return f"{_table(of_merchant, tuple(MerchantRole))}\n\n{_table(of_platform, tuple(PlatformRole))}\n"


def _table(permissions: Sequence[Permission], roles: Sequence[Role]) -> str:
    rows = [["permission", *roles], ["---", *(":-:" for _ in roles)]]
    rows += [
        [f"`{permission}`", *("yes" if role in MATRIX[permission] else "" for role in roles)]
        for permission in permissions
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
