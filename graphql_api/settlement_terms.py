"""What settling with a merchant is subject to: when its periods end, its terms, and its open period as it stands."""

from datetime import date, datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import Cycle
from graphql_api.money import Money
from graphql_api.relay import decode_id
from graphql_api.statement import KindTotal
from merchantry.domain.errors import NotFound
from merchantry.domain.permission import Permission
from merchantry.domain.settlement import Schedule, period_at
from merchantry.services import merchant as merchants
from merchantry.services import schedule, settlement, statement
from merchantry.services.settlement import Conditions
from merchantry.services.statement import Preview
from tenancy.database import Transaction


@strawberry.type(description="When periods end, from a moment on.")
class SettlementSchedule:
    effective_at: datetime
    time_zone: str
    cycle: Cycle
    anchor_day: int = strawberry.field(description="The day that weeks (1 is Monday) or months start on.")
    every_days: int
    anchored_on: date = strawberry.field(description="The day that EVERY_N_DAYS counts from.")
    days_of_month: list[int]
    closing: str = strawberry.field(description="The time of day at which one period ends and the next starts.")

    @staticmethod
    def of(found: Schedule) -> "SettlementSchedule":
        """The schedule as it was decided."""
        return SettlementSchedule(
            effective_at=found.effective_at,
            time_zone=found.zone.key,
            cycle=found.cycle,
            anchor_day=found.anchor_day,
            every_days=found.every_days,
            anchored_on=found.anchored_on,
            days_of_month=list(found.days_of_month),
            closing=found.closing.isoformat(),
        )


@strawberry.type(description="When a merchant's periods end, and what was decided to change about it.")
class SettlementSchedules:
    in_force: SettlementSchedule
    pending: SettlementSchedule | None = strawberry.field(description="Decided, and not in force yet.")
    period_starts_at: datetime = strawberry.field(description="Of the open period.")
    period_ends_at: datetime

    @staticmethod
    def of(found: Conditions, at: datetime) -> "SettlementSchedules":
        """The schedules as they are at a moment."""
        period, following = period_at(at, found.schedules), schedule.pending(found.schedules, at)
        in_force = [each for each in found.schedules if each.effective_at <= at][-1]
        return SettlementSchedules(
            in_force=SettlementSchedule.of(in_force),
            pending=SettlementSchedule.of(following) if following else None,
            period_starts_at=period.starts_at,
            period_ends_at=period.ends_at,
        )


@strawberry.type(description="What settling with a merchant is subject to.")
class SettlementTerms:
    minimum_payout: list[Money] = strawberry.field(description="By currency; what is less is carried on.")
    reserve_bps: int = strawberry.field(description="The share of sales kept back at first, in basis points.")
    reserve_days: int
    objection_days: int = strawberry.field(description="How long a statement can be objected to.")

    @staticmethod
    def of(found: Conditions) -> "SettlementTerms":
        """The terms as they are."""
        return SettlementTerms(
            minimum_payout=[Money.of(amount, currency) for currency, amount in sorted(found.minimum_minor.items())],
            reserve_bps=found.reserve_bps,
            reserve_days=found.reserve_days,
            objection_days=found.objection_days,
        )


@strawberry.type(description="The open period of one currency, as it would be closed now; nothing of it is frozen yet.")
class StatementPreview:
    currency: str
    starts_at: datetime
    ends_at: datetime
    starts_on: date
    ends_on: date = strawberry.field(description="The first day of the next period.")
    opening: Money
    closing: Money
    kinds: list[KindTotal]

    @staticmethod
    def of(found: Preview) -> "StatementPreview":
        """The period as it stands."""
        return StatementPreview(
            currency=found.currency,
            starts_at=found.period.starts_at,
            ends_at=found.period.ends_at,
            starts_on=found.period.starts_on,
            ends_on=found.period.ends_on,
            opening=Money.of(found.opening_minor, found.currency),
            closing=Money.of(found.closing_minor, found.currency),
            kinds=KindTotal.all_of(found.kinds, found.currency),
        )


async def of_merchant(context: Context) -> Conditions:
    """The selected merchant's conditions, for its staff. Raises NotPermitted."""
    allowed = access.of_merchant(context, Permission.LEDGER_READ)
    async with context.database.read(allowed.act.actor) as tx:
        return await conditions(tx, allowed.merchant_id, context.clock())


async def of_platform(context: Context, merchant: strawberry.ID) -> Conditions:
    """A merchant's conditions, for the platform's people; by its id. Raises NotPermitted, NotFound."""
    allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_READ)
    (merchant_id,) = decode_id(merchant, "MerchantRecord", 1, ("merchant",))
    async with context.database.read(allowed.act.actor) as tx:
        async with tx.as_platform() as session:
            if not await merchants.by_ids(session, [merchant_id]):
                raise NotFound(what="merchant", path=("merchant",))
        return await conditions(tx, merchant_id, context.clock())


async def previews(info: Info) -> list[StatementPreview]:
    """``merchant { statementPreview }``. Raises NotPermitted."""
    context, allowed = info.context, access.of_merchant(info.context, Permission.LEDGER_READ)
    async with context.database.read(allowed.act.actor) as tx:
        found = await conditions(tx, allowed.merchant_id, context.clock())
        async with tx.as_merchant(allowed.merchant_id) as session:
            return [StatementPreview.of(each) for each in await statement.preview(session, found, context.clock())]


async def conditions(tx: Transaction, merchant_id: UUID, at: datetime) -> Conditions:
    """The conditions of a merchant that exists."""
    async with tx.as_platform() as session:
        return await settlement.conditions_of(session, merchant_id, at)
