"""What restored merchants lack, as the platform's people see it."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import RestoreGapKind, RestoreGapStatus
from graphql_api.money import Money
from graphql_api.relay import Connection, connection_of, encode_id, page, take_id
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import restore_gap
from merchantry.services.restore_gap import Gap


@strawberry.type(description="Something that the platform knows of and a restored merchant lacks.")
class RestoreGap:
    kind: RestoreGapKind
    subject: str = strawberry.field(description="An entry's number, or the number or title of what is missing.")
    entry_kind: str | None = strawberry.field(description="Why the entry was booked, where the platform knows it.")
    amount: Money | None = strawberry.field(description="The amount that the platform knows of.")
    status: RestoreGapStatus
    case_id: strawberry.ID | None = strawberry.field(description="The case that wrote it off.")
    reason: str | None
    found_at: datetime
    ended_at: datetime | None

    @staticmethod
    def of(gap: Gap) -> "RestoreGap":
        """As it is kept."""
        has_amount = gap.currency is not None and gap.amount_minor is not None
        return RestoreGap(
            kind=RestoreGapKind(gap.kind),
            subject=str(gap.details.get("number") or gap.details.get("title") or gap.subject),
            entry_kind=gap.entry_kind,
            amount=Money.of(gap.amount_minor or 0, gap.currency or "") if has_amount else None,
            status=RestoreGapStatus(gap.status),
            case_id=encode_id("Case", gap.merchant_id, gap.case_id) if gap.case_id else None,
            reason=gap.reason,
            found_at=gap.found_at,
            ended_at=gap.ended_at,
        )


async def of_platform(
    info: Info, merchant: strawberry.ID, first: int | None, after: str | None
) -> Connection[RestoreGap]:
    """A merchant's gaps, restore by restore."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_CASE_READ)
    (merchant_id,) = take_id(info.context, merchant, "MerchantRecord", 1, ("merchant",))
    asked = page("restoreGaps", (UUID, int), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        await merchants.profile_of(session, merchant_id)
        found = await restore_gap.gaps_of(session, merchant_id, limit=asked.first + 1, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda gap: (gap.restore_id, gap.position), node_of=RestoreGap.of)
