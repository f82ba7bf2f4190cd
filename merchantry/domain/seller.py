"""Who sells to the buyer: the merchant, or the platform in its own name, which then buys from the merchant.

The shares are the same to the minor unit. What the platform keeps is a commission in the one case and a margin in the
other: nothing is charged to the merchant, so there is no tax on it, and what the platform gives off the price is a
lower price of its own. An entry about a sale of the platform's says two things more in its details: `sales_minor`, what
it changes of the platform's revenue (net of sales tax), and `purchase_minor`, what it changes of the price of what the
platform has bought, as far as that is available to the merchant.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from merchantry.domain.ledger import Account, Json
from merchantry.domain.plan import Plan

SALES: Final = "sales_minor"
PURCHASE: Final = "purchase_minor"


class SellerOfRecord(StrEnum):
    """Whose sale it is: AGENT, the merchant's; PRINCIPAL, the platform's."""

    AGENT = "agent"
    PRINCIPAL = "principal"


PLATFORM_PART: Final[Mapping[SellerOfRecord, Account]] = MappingProxyType(
    {
        SellerOfRecord.AGENT: Account.PLATFORM_COMMISSION,
        SellerOfRecord.PRINCIPAL: Account.PLATFORM_MARGIN,
    }
)
"""Where the platform's part of a sale stands in the merchant's ledger."""


def platform_part(seller: SellerOfRecord, commission_minor: int, subsidy_minor: int) -> dict[Account, int]:
    """What the platform's part of a sale posts, by account, with zeros: its commission and its subsidy, or a margin
    that is what its price leaves it."""
    if seller is SellerOfRecord.PRINCIPAL:
        return {Account.PLATFORM_MARGIN: commission_minor - subsidy_minor}
    return {Account.PLATFORM_COMMISSION: commission_minor, Account.PLATFORM_EXPENSE: -subsidy_minor}


def sale_details(seller: SellerOfRecord, *, sales_minor: int = 0, purchase_minor: int = 0) -> dict[str, Json]:
    """What an entry's details say of a sale of the platform's; nothing of a merchant's own."""
    if seller is SellerOfRecord.AGENT:
        return {}
    return {SALES: sales_minor, PURCHASE: purchase_minor}


def is_purchase(details: Mapping[str, Json]) -> bool:
    """Whether an entry is about something that the platform bought from the merchant."""
    return PURCHASE in details


def whole(details: Mapping[str, Json], name: str) -> int:
    """An amount that `sale_details` wrote, 0 where it wrote none."""
    found = details.get(name, 0)
    return found if isinstance(found, int) else int(str(found))


def terms_for(seller: SellerOfRecord, plan: Plan) -> Plan:
    """The plan as it rates a sale: no tax on a margin, which nobody is charged."""
    if seller is SellerOfRecord.AGENT or not any(rule.terms.commission_tax_bps for rule in plan.rules):
        return plan
    rules = tuple(replace(rule, terms=replace(rule.terms, commission_tax_bps=0)) for rule in plan.rules)
    return replace(plan, rules=rules)
