"""A commission plan written as its canonical JSON document."""

from collections.abc import Mapping

from merchantry.domain.beneficiary import Beneficiary
from merchantry.domain.payment_fee import PaymentFee
from merchantry.domain.plan import BaseTax, FixedPer, Plan, Rule, Terms
from merchantry.domain.plan_terms import AMOUNTS
from merchantry.domain.refund_policy import RefundPolicy, ReturnKind
from merchantry.domain.tiers import Tiers


def plan_document(plan: Plan) -> dict[str, object]:
    """The plan as a JSON document: every rule with all its own terms and amounts by currency, keys in order.

    `parse_plan` makes the same plan of it again; two plans that rate alike by the same rules give the same document.
    """
    document: dict[str, object] = {
        "name": plan.name,
        "currency": plan.currency,
        "base": plan.base.value,
        "hold_days": plan.hold_days,
    }
    product_categories: dict[str, object] = {}
    merchant_categories: dict[str, object] = {}
    merchants: dict[str, dict[str, object]] = {}
    for rule in sorted(plan.rules, key=order_of):
        terms = terms_document(rule.terms, plan)
        if rule.merchant is not None:
            merchant = merchants.setdefault(rule.merchant, {})
            if rule.product_category is None:
                merchant.update(terms)
            else:
                nested = merchant.setdefault("product_categories", {})
                if isinstance(nested, dict):
                    nested[rule.product_category] = terms
        elif rule.product_category is not None:
            product_categories[rule.product_category] = terms
        elif rule.merchant_category is not None:
            merchant_categories[rule.merchant_category] = terms
        else:
            document["default"] = terms
    tables = {
        "product_categories": product_categories,
        "merchant_categories": merchant_categories,
        "merchants": merchants,
    }
    if plan.order_fixed_minor:
        document |= {"fixed_minor": _amount(plan.order_fixed_minor), "fixed_per": FixedPer.ORDER.value}
    return document | {name: table for name, table in tables.items() if table}


def order_of(rule: Rule) -> tuple[int, str, str]:
    """Where a rule stands in a plan: by precedence, then by name."""
    return rule.rank, rule.merchant or rule.merchant_category or "", rule.product_category or ""


def terms_document(terms: Terms, plan: Plan) -> dict[str, object]:
    """A rule's terms as they are read in its plan."""
    rate = {"rate_bps": terms.rate_bps} if terms.tiers is None else {"tiers": tiers_document(terms.tiers)}
    amounts = {name: _amount(getattr(terms, name)) for name in AMOUNTS}
    document: dict[str, object] = rate | {name: amount for name, amount in amounts.items() if amount}
    if terms.fixed_minor and (plan.order_fixed_minor or terms.fixed_per is not FixedPer.LINE):
        document["fixed_per"] = terms.fixed_per.value
    if terms.base is not plan.base:
        document["base"] = terms.base.value
    if terms.base_tax is not BaseTax.GROSS:
        document["base_tax"] = terms.base_tax.value
    if terms.commission_tax_bps:
        document["commission_tax_bps"] = terms.commission_tax_bps
    if terms.beneficiaries:
        document["beneficiaries"] = [_beneficiary_document(party) for party in terms.beneficiaries]
    if terms.payment_fee is not None:
        document["payment_fee"] = _fee_document(terms.payment_fee)
    return document | policy_document(terms.refund_policy)


def tiers_document(tiers: Tiers) -> dict[str, object]:
    """Tiers as they are read."""
    steps = [{"from_minor": _amount(step.from_minor) or 0, "rate_bps": step.rate_bps} for step in tiers.steps]
    zone = {} if tiers.time_zone is None else {"time_zone": tiers.time_zone}
    head = {"mode": tiers.mode.value, "window": tiers.window.value, **zone}
    return {**head, "refunds_lower_volume": tiers.refunds_lower_volume, "steps": steps}


def policy_document(policy: RefundPolicy) -> dict[str, object]:
    """The members of a refund policy; none for the full one, which is what a plan has that says nothing."""
    if policy.kind is ReturnKind.FULL:
        return {}
    document: dict[str, object] = {"refund_policy": policy.kind.value}
    if policy.kind is ReturnKind.MINUS_ADMINISTRATION_FEE:
        cap = {"cap_minor": _amount(policy.fee_cap_minor)} if policy.fee_cap_minor else {}
        document["administration_fee"] = {"bps": policy.fee_bps, **cap}
    return document


def _beneficiary_document(party: Beneficiary) -> dict[str, object]:
    by_bps = party.share_bps is not None
    asked = {"share_bps": party.share_bps} if by_bps else {"fixed_minor": _amount(party.fixed_minor)}
    return {"name": party.name, "kind": party.kind.value, "of": party.of.value, **asked}


def _fee_document(fee: PaymentFee) -> dict[str, object]:
    fixed = {"fixed_minor": _amount(fee.fixed_minor)} if fee.fixed_minor else {}
    return {"bps": fee.bps, **fixed, "borne_by": fee.borne_by.value}


def _amount(by_currency: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(by_currency.items()))
