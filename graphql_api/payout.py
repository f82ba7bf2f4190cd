"""Payouts: money on its way to a merchant, as the merchant and the platform's people see it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import strawberry

from graphql_api import access, settled
from graphql_api.context import Context, Info
from graphql_api.enums import PayoutStatus, TransferState
from graphql_api.invoice import StatementName
from graphql_api.money import Money
from graphql_api.relay import Connection, Node, Parts, connection_of, decode_id, encode_id, node, page
from graphql_api.settled import Reader
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import payout, payout_list
from merchantry.services.payout_list import PayoutEntry as StoredEntry
from merchantry.services.payout_list import Whole


@strawberry.type(description="One transfer of a payout, asked for under a key of its own for ever.")
class PayoutTransfer:
    id: strawberry.ID
    reference: str = strawberry.field(description="What the account's statement shows.")
    amount: Money
    attempt: int = strawberry.field(description="Above 1 for a new one after a definite failure.")
    status: TransferState
    provider_reference: str | None
    reason: str | None = strawberry.field(description="Why it failed or came back, as the provider says.")
    asked_at: datetime | None
    answered_at: datetime | None

    @staticmethod
    def of(found: payout.Transfer, currency: str) -> "PayoutTransfer":
        """The transfer as it stands."""
        return PayoutTransfer(
            id=encode_id("PayoutTransfer", found.merchant_id, found.key),
            reference=found.reference,
            amount=Money.of(found.amount_minor, currency),
            attempt=found.attempt,
            status=found.status,
            provider_reference=found.provider_reference,
            reason=found.reason,
            asked_at=found.asked_at,
            answered_at=found.answered_at,
        )


@strawberry.type(description="An entry of the merchant's ledger that a payout booked.")
class PayoutEntry:
    seq: str
    kind: str = strawberry.field(description="payout, payout_paid, payout_returned or payout_cancelled.")
    occurred_at: datetime
    booked_at: datetime
    reverses: str | None = strawberry.field(description="The seq of the entry that it takes back.")
    statement: StatementName | None = strawberry.field(description="Whose line it is, once that period is closed.")

    @staticmethod
    def of(merchant_id: UUID, found: StoredEntry) -> "PayoutEntry":
        """The entry, with the statement that claims it."""
        claimed = None
        if found.statement_id and found.statement_number:
            claimed = StatementName.of(merchant_id, found.statement_id, found.statement_number)
        return PayoutEntry(
            seq=str(found.seq),
            kind=found.kind,
            occurred_at=found.occurred_at,
            booked_at=found.booked_at,
            reverses=None if found.reverses is None else str(found.reverses),
            statement=claimed,
        )


@strawberry.type(description="Money on its way to a merchant.")
class Payout(Node):
    id: strawberry.ID
    statement: StatementName = strawberry.field(description="What it pays.")
    account: str = strawberry.field(description="Where it goes: of the account's number, what may be seen.")
    number: str
    provider: str = strawberry.field(description="Who carries it: bank or wallet.")
    amount: Money
    paid: Money = strawberry.field(description="What has reached the account, also what came back since.")
    returned: Money
    status: PayoutStatus
    waits_for_release: bool = strawberry.field(description="Whether a person of the platform must let it go.")
    planned_at: datetime
    released_at: datetime | None
    ended_at: datetime | None
    failure: str | None = strawberry.field(description="Why it failed, came back or was cancelled.")
    transfers: list[PayoutTransfer] = strawberry.field(description="By position, then attempt.")
    entries: list[PayoutEntry]

    @staticmethod
    def of(found: Whole) -> "Payout":
        """The payout with all that belongs to it."""
        merchant_id = found.payout.merchant_id
        return Payout(
            id=encode_id("Payout", merchant_id, found.payout.id),
            statement=StatementName.of(merchant_id, found.payout.statement_id, found.statement_number),
            account=found.account.shown,
            entries=[PayoutEntry.of(merchant_id, each) for each in found.entries],
            **_facts(found.payout, found.transfers),
        )


@strawberry.type(description="A payout in the platform's list over all merchants; `payout` shows all of it.")
class PayoutRecord:
    payout_id: strawberry.ID
    merchant: str = strawberry.field(description="The merchant's slug.")
    number: str
    provider: str = strawberry.field(description="Who carries it: bank or wallet.")
    amount: Money
    paid: Money = strawberry.field(description="What has reached the account, also what came back since.")
    returned: Money
    status: PayoutStatus
    waits_for_release: bool = strawberry.field(description="Whether a person of the platform must let it go.")
    planned_at: datetime
    released_at: datetime | None
    ended_at: datetime | None
    failure: str | None = strawberry.field(description="Why it failed, came back or was cancelled.")
    transfers: list[PayoutTransfer] = strawberry.field(description="By position, then attempt.")

    @staticmethod
    def of(found: payout.Payout, slug: str, transfers: Sequence[payout.Transfer]) -> "PayoutRecord":
        """The payout as the platform's own tables have it."""
        payout_id = encode_id("Payout", found.merchant_id, found.id)
        return PayoutRecord(payout_id=payout_id, merchant=slug, **_facts(found, transfers))


def _facts(found: payout.Payout, transfers: Sequence[payout.Transfer]) -> dict[str, Any]:
    return {
        "number": found.number,
        "provider": found.provider,
        "amount": Money.of(found.amount_minor, found.currency),
        "paid": Money.of(found.paid_minor, found.currency),
        "returned": Money.of(found.returned_minor, found.currency),
        "status": found.status,
        "waits_for_release": found.status is PayoutStatus.PLANNED and found.waits_for_release,
        "planned_at": found.planned_at,
        "released_at": found.released_at,
        "ended_at": found.ended_at,
        "failure": found.failure,
        "transfers": [PayoutTransfer.of(each, found.currency) for each in transfers],
    }


async def of_merchant(
    info: Info, first: int | None, after: str | None, statuses: list[PayoutStatus] | None
) -> Connection[Payout]:
    """``merchant { payouts }``. Raises NotPermitted."""
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    asked = page("payouts", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await payout_list.page(session, limit=asked.limit, after=asked.after, statuses=statuses)
        whole = await payout_list.whole(session, found)
    return connection_of(whole, asked, cursor_of=lambda each: each.payout.cursor, node_of=Payout.of)


async def of_platform(
    info: Info,
    first: int | None,
    after: str | None,
    statuses: list[PayoutStatus] | None,
    merchant: strawberry.ID | None,
) -> Connection[PayoutRecord]:
    """``platform { payouts }``. Raises NotPermitted, and NotFound for what is no merchant's id."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_READ)
    asked = page("platformPayouts", (datetime, UUID), first, after)
    merchant_id = decode_id(merchant, "MerchantRecord", 1, ("merchant",))[0] if merchant is not None else None
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await payout_list.page(
            session, limit=asked.limit, after=asked.after, statuses=statuses, merchant_id=merchant_id
        )
        transfers = await payout_list.transfers_of(session, found)
        named = await merchants.by_ids(session, {each.merchant_id for each in found})
    slugs = {each.merchant.id: each.merchant.slug for each in named}
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: PayoutRecord.of(each, slugs[each.merchant_id], transfers.get(each.id, ())),
    )


async def of_number(reader: Reader, number: str) -> Payout | None:
    """The payout of this number. Raises what the reader raises."""
    async with reader() as session:
        found = await payout_list.by_number(session, number)
        whole = await payout_list.whole(session, [found]) if found else []
    return Payout.of(whole[0]) if whole else None


async def find_any(context: Context, merchant_id: UUID, payout_id: UUID) -> Payout | None:
    """The payout, for the platform's people. Raises NotPermitted, NotFound."""
    return await _find(partial(settled.as_platform, context, merchant_id), payout_id)


async def _find(reader: Reader, payout_id: UUID) -> Payout | None:
    async with reader() as session:
        whole = await payout_list.whole(session, await payout_list.by_ids(session, [payout_id]))
    return Payout.of(whole[0]) if whole else None


@node("Payout", parts=2)
async def load_payout(info: Info, parts: Parts) -> Payout | None:
    """The payout, for staff of its merchant and of the platform who may see settlements."""
    merchant_id, payout_id = parts
    return await _find(settled.of_id(info.context, merchant_id), payout_id)
