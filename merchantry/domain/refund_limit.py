"""How much somebody may refund of an order without asking anybody else."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from merchantry.domain.case import LARGE_MINOR
from merchantry.domain.permission import MerchantRole, PlatformRole, Role

LIMITS_MINOR: Final[Mapping[Role, Mapping[str, int]]] = MappingProxyType(
    {
        MerchantRole.MANAGER: MappingProxyType(
            {"BRL": 500_000, "CNY": 700_000, "EUR": 100_000, "GBP": 100_000, "JPY": 150_000, "USD": 100_000}
        ),
        MerchantRole.OWNER: LARGE_MINOR,
        PlatformRole.FINANCE: LARGE_MINOR,
    }
)
"""What all refunds of one order together may come to, in minor units by role and currency. Above it, and in a currency
that is not named, other people decide (a case of the kind REFUND_APPROVAL); so it is for any other role."""


def limit_minor(roles: Collection[Role], currency: str) -> int:
    """The highest limit of these roles."""
    return max((LIMITS_MINOR.get(role, {}).get(currency, 0) for role in roles), default=0)


def is_within(limit: int, refunded_minor: int, amount_minor: int) -> bool:
    """Whether a refund can be made at once, after what was refunded of the order before."""
    return refunded_minor + amount_minor <= limit
