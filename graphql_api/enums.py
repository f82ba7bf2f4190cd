"""The business's enumerations as GraphQL enums. Types import them from here, so that each is described once."""

import strawberry

from merchantry.domain.case import CaseKind, CaseStatus, Vote
from merchantry.domain.ledger import Account
from merchantry.domain.order import OrderStatus
from merchantry.domain.payee import PayeeKind, PayeeStatus
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.domain.settlement import Cycle
from merchantry.services.report import Dimension

__all__ = [
    "Account",
    "CaseKind",
    "CaseStatus",
    "Cycle",
    "Dimension",
    "MerchantRole",
    "OrderStatus",
    "PayeeKind",
    "PayeeStatus",
    "PlatformRole",
    "Vote",
]

strawberry.enum(Account, description="An account of a merchant's ledger.")
strawberry.enum(CaseKind, description="Why something waits for people.")
strawberry.enum(CaseStatus, description="Where a review case stands.")
strawberry.enum(Cycle, name="SettlementCycle", description="How often a merchant is settled with.")
strawberry.enum(Dimension, name="ReportDimension", description="What a report's rows are grouped by.")
strawberry.enum(MerchantRole, description="What a person is at one merchant.")
strawberry.enum(OrderStatus, description="Where an order stands.")
strawberry.enum(PayeeKind, description="What an account that a merchant is paid to is.")
strawberry.enum(PayeeStatus, description="Where an account that a merchant is paid to stands.")
strawberry.enum(PlatformRole, description="What a person is at the platform.")
strawberry.enum(Vote, name="CaseVote", description="What somebody makes of a review case.")
