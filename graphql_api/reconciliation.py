"""Reconciliation as finance sees it: statements of banks and providers, and what became of their lines."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import LineStatus, MatchedBy
from graphql_api.money import CurrencyCode, Money
from graphql_api.relay import Connection, Node, Parts, connection_of, decode_id, encode_id, node, page
from merchantry.domain.case import PEOPLE
from merchantry.domain.errors import NotFound
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import reconciliation_list
from merchantry.services.reconciliation_list import PaidBy, TakenLine, TakenStatement
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession

LAST_POSITION: Final = 2**31 - 1


@strawberry.type(description="A statement that a bank or a provider sent, or one of several in its file.")
class BankStatement(Node):
    id: strawberry.ID
    source: str = strawberry.field(description="camt.053, or csv for a provider's.")
    reference: str = strawberry.field(description="What its sender calls it.")
    account: str
    currency: CurrencyCode
    opening: Money | None = strawberry.field(description="None where the file says no balances.")
    closing: Money | None
    lines: int
    undecided: int = strawberry.field(description="Lines that are neither matched nor dismissed.")
    imported_by: strawberry.ID | None = strawberry.field(description="The account; null where a command took it.")
    imported_at: datetime

    @staticmethod
    def of(found: TakenStatement) -> "BankStatement":
        """The statement as it is kept."""
        role, _, account = found.imported_by.partition(":")
        opening, closing = (
            None if minor is None else Money.of(minor, found.currency)
            for minor in (found.opening_minor, found.closing_minor)
        )
        return BankStatement(
            id=encode_id("BankStatement", found.id),
            source=found.source,
            reference=found.reference,
            account=found.account,
            currency=CurrencyCode(found.currency),
            opening=opening,
            closing=closing,
            lines=found.lines,
            undecided=found.lines - found.decided,
            imported_by=encode_id("Account", UUID(account)) if role in PEOPLE else None,
            imported_at=found.imported_at,
        )


@strawberry.type(description="The payout that a line is about; `platform { payout(number:) }` shows it.")
class BankLinePayout:
    payout_id: strawberry.ID
    number: str
    merchant: str = strawberry.field(description="The merchant's slug.")
    transfer: str = strawberry.field(description="The transfer's reference.")

    @staticmethod
    def of(found: PaidBy, slug: str) -> "BankLinePayout":
        """The payout by its names."""
        payout_id = encode_id("Payout", found.merchant_id, found.payout_id)
        return BankLinePayout(payout_id=payout_id, number=found.number, merchant=slug, transfer=found.reference)


@strawberry.type(description="One line of a statement, kept whether it is matched or not.")
class BankLine(Node):
    id: strawberry.ID
    statement_id: strawberry.ID
    position: int
    amount: Money = strawberry.field(description="Negative for what was paid out.")
    booked_on: date
    end_to_end_id: str | None = strawberry.field(description="The reference of ours that it carries.")
    provider_reference: str | None
    text: str
    status: LineStatus
    matched_by: MatchedBy | None
    payout: BankLinePayout | None
    case_id: strawberry.ID | None = strawberry.field(description="The latest case that people looked at it in.")

    @staticmethod
    def of(found: TakenLine, payouts: Mapping[UUID, PaidBy], slugs: Mapping[UUID, str]) -> "BankLine":
        """The line with the payout that it is about."""
        paid = payouts.get(found.instruction_key) if found.instruction_key else None
        return BankLine(
            id=encode_id("BankLine", found.bank_statement_id, UUID(int=found.position)),
            statement_id=encode_id("BankStatement", found.bank_statement_id),
            position=found.position,
            amount=Money.of(found.amount_minor, found.currency),
            booked_on=found.booked_on,
            end_to_end_id=found.end_to_end_id,
            provider_reference=found.provider_reference,
            text=found.text,
            status=found.status,
            matched_by=found.matched_by,
            payout=BankLinePayout.of(paid, slugs[paid.merchant_id]) if paid else None,
            case_id=encode_id("Case", NOBODY, found.case_id) if found.case_id else None,
        )


@strawberry.type(description="What banks and providers say, beside what we know.")
class Reconciliation:
    @strawberry.field
    async def statements(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[BankStatement]:
        """Statements that were taken, the latest first. Needs platform.reconciliation.read."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_RECONCILIATION_READ)
        asked = page("bankStatements", (datetime, UUID), first, after)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
            found = await reconciliation_list.statements(session, limit=asked.limit, after=asked.after)
        return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=BankStatement.of)

    @strawberry.field
    async def lines(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        status: LineStatus | None = None,
        statement: strawberry.ID | None = None,
    ) -> Connection[BankLine]:
        """Lines of one statement or of all, the latest booked first. Needs platform.reconciliation.read."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_RECONCILIATION_READ)
        asked = page("bankLines", (date, UUID, int), first, after)
        statement_id = decode_id(statement, "BankStatement", 1, ("statement",))[0] if statement is not None else None
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
            found = await reconciliation_list.lines(
                session, limit=asked.limit, after=asked.after, status=status, statement_id=statement_id
            )
            shown = await _shown(session, found)
        by_key = {each.cursor: line for each, line in zip(found, shown, strict=True)}
        return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=lambda each: by_key[each.cursor])


def of_platform(context: Context) -> Reconciliation:
    """``platform { reconciliation }``. Raises NotPermitted."""
    access.of_platform(context, Permission.PLATFORM_RECONCILIATION_READ)
    return Reconciliation()


def line_key(parts: Parts, path: tuple[str, ...] = ()) -> tuple[UUID, int]:
    """Statement and position of a line, by the keys of its id. Raises NotFound for a position that no line has."""
    statement_id, position = parts
    if position.int > LAST_POSITION:
        raise NotFound(what="bank line", path=path)
    return statement_id, position.int


async def find_line(context: Context, statement_id: UUID, position: int) -> BankLine | None:
    """The line as it stands. Raises NotPermitted."""
    allowed = access.of_platform(context, Permission.PLATFORM_RECONCILIATION_READ)
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await reconciliation_list.line(session, statement_id, position)
        return (await _shown(session, [found]))[0] if found else None


async def _shown(session: PlatformSession, found: Sequence[TakenLine]) -> list[BankLine]:
    payouts = await reconciliation_list.payouts_of(session, found)
    named = await merchants.by_ids(session, {each.merchant_id for each in payouts.values()})
    slugs = {each.merchant.id: each.merchant.slug for each in named}
    return [BankLine.of(each, payouts, slugs) for each in found]


@node("BankStatement", parts=1)
async def load_statement(info: Info, parts: Parts) -> BankStatement | None:
    """The statement, for the platform's people who may see reconciliation."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_RECONCILIATION_READ)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await reconciliation_list.statement(session, parts[0])
    return BankStatement.of(found) if found else None


@node("BankLine", parts=2)
async def load_line(info: Info, parts: Parts) -> BankLine | None:
    """The line, for the platform's people who may see reconciliation."""
    return await find_line(info.context, *line_key(parts))
