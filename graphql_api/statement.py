"""Statements: a merchant's closed periods, with what they claim, what was paid for them, and their documents."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.invoice import CommissionInvoice, DocumentPaths
from graphql_api.money import Money
from graphql_api.payout import Payout
from graphql_api.relay import Connection, Node, Page, Parts, connection_of, decode_id, encode_id, node, page
from graphql_api.selection import wanted
from graphql_api.settled import Reader, as_platform, as_staff, of_id
from merchantry.domain.permission import Permission
from merchantry.services import invoice_list, payout_list, statement, statement_list
from merchantry.services.statement import ClaimedLine, ClosedStatement
from tenancy.database import MerchantSession

IN_PAGE = (("nodes",), ("edges", "node"))
"""Where a connection's nodes are selected."""


@strawberry.type(description="What the entries of one kind come to.")
class KindTotal:
    kind: str
    entries: int
    amount: Money

    @staticmethod
    def all_of(kinds: Mapping[str, Sequence[int]], currency: str) -> list["KindTotal"]:
        """Totals as they are stored: how many entries, and their sum in minor units; by kind."""
        return [
            KindTotal(kind=kind, entries=kinds[kind][0], amount=Money.of(kinds[kind][1], currency))
            for kind in sorted(kinds)
        ]


@strawberry.type(description="An order, as others refer to it.")
class OrderName:
    id: strawberry.ID
    number: str


@strawberry.type(description="An entry of the ledger that a statement claims: its change of the available balance.")
class StatementLine:
    entry_seq: str = strawberry.field(description="The entry's place in the merchant's ledger, as splits show it.")
    kind: str
    text: str
    amount: Money
    available_at: datetime
    order: OrderName | None = strawberry.field(description="The order behind it, whose split shows the whole entry.")
    corrects: str | None = strawberry.field(description="The seq of the entry that it corrects or takes back.")

    @staticmethod
    def of(merchant_id: UUID, currency: str, found: ClaimedLine) -> "StatementLine":
        """The line as it was frozen."""
        order = None
        if found.order_id and found.order_number:
            order = OrderName(id=encode_id("Order", merchant_id, found.order_id), number=found.order_number)
        return StatementLine(
            entry_seq=str(found.entry_seq),
            kind=found.kind,
            text=found.text,
            amount=Money.of(found.amount_minor, currency),
            available_at=found.available_at,
            order=order,
            corrects=None if found.corrects is None else str(found.corrects),
        )


@dataclass(frozen=True, slots=True)
class Beside:
    """What is shown beside the rows of statements; ``lines`` are read when they are asked for, all at once."""

    merchant_id: UUID
    lines: DataLoader[tuple[UUID, Page], list[ClaimedLine]]
    payouts: Mapping[UUID, list[Payout]]
    invoices: Mapping[UUID, list[CommissionInvoice]]


@strawberry.type(description="A closed period of one currency; frozen. What corrects it is in the open period.")
class Statement(Node):
    id: strawberry.ID
    number: str
    currency: str
    starts_at: datetime
    ends_at: datetime = strawberry.field(description="The first moment that is not in the period.")
    starts_on: date
    ends_on: date = strawberry.field(description="The first day of the next period.")
    time_zone: str
    opening: Money
    closing: Money = strawberry.field(description="The opening balance and all lines.")
    kinds: list[KindTotal]
    entries: int = strawberry.field(description="How many lines it has.")
    status: str = strawberry.field(description="issued, accepted (also by silence) or objected.")
    closed_at: datetime
    accept_by: datetime = strawberry.field(description="Until when it can be objected to.")
    decided_at: datetime | None
    content_hash: str = strawberry.field(description="SHA-256 in hexadecimal, as docs/statement-format.md defines it.")
    payouts: list[Payout]
    invoices: list[CommissionInvoice] = strawberry.field(description="Its commission invoice and credit note.")
    documents: DocumentPaths
    row: strawberry.Private[ClosedStatement]
    beside: strawberry.Private[Beside]

    @strawberry.field
    async def lines(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[StatementLine] | None:
        """What it claims, the earliest first."""
        asked, merchant_id = page("statementLines", (datetime, int), first, after), self.beside.merchant_id
        found = await self.beside.lines.load((self.row.id, asked))
        return connection_of(
            found,
            asked,
            cursor_of=lambda each: each.cursor,
            node_of=lambda each: StatementLine.of(merchant_id, self.currency, each),
        )

    @staticmethod
    def of(found: ClosedStatement, beside: Beside) -> "Statement":
        """The statement as it is kept, with what was loaded beside it."""
        return Statement(
            id=encode_id("Statement", beside.merchant_id, found.id),
            number=found.number,
            currency=found.currency,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
            starts_on=found.starts_on,
            ends_on=found.ends_on,
            time_zone=found.time_zone,
            opening=Money.of(found.opening_minor, found.currency),
            closing=Money.of(found.closing_minor, found.currency),
            kinds=KindTotal.all_of(found.kinds, found.currency),
            entries=found.entries,
            status=found.status,
            closed_at=found.closed_at,
            accept_by=found.accept_by,
            decided_at=found.decided_at,
            content_hash=found.content_hash.hex(),
            payouts=beside.payouts.get(found.id, []),
            invoices=beside.invoices.get(found.id, []),
            documents=DocumentPaths.of("statements", found.number),
            row=found,
            beside=beside,
        )


def _lines(reader: Reader) -> DataLoader[tuple[UUID, Page], list[ClaimedLine]]:
    """Reads the lines that a page's statements are asked for in one transaction; what is frozen needs no snapshot."""

    async def load(keys: list[tuple[UUID, Page]]) -> list[list[ClaimedLine]]:
        found: dict[tuple[UUID, Page], list[ClaimedLine]] = {}
        async with reader() as session:
            for asked in dict.fromkeys(asked for _, asked in keys):
                ids = [statement_id for statement_id, each in keys if each == asked]
                lines = await statement_list.lines_of(session, ids, limit=asked.limit, after=asked.after)
                found |= {(statement_id, asked): lines[statement_id] for statement_id in ids}
        return [found[key] for key in keys]

    return DataLoader(load_fn=load)


EVERYTHING = frozenset({"payouts", "invoices"})


async def _beside(
    reader: Reader, session: MerchantSession, found: Sequence[ClosedStatement], fields: Collection[str] = EVERYTHING
) -> Beside:
    """Load what these fields need, the same number of database statements for however many rows."""
    merchant_id, ids = session.merchant_id, [each.id for each in found]
    payouts: dict[UUID, list[Payout]] = {}
    invoices: dict[UUID, list[CommissionInvoice]] = {}
    if "payouts" in fields:
        for each in await payout_list.whole(session, await payout_list.of_statements(session, ids)):
            payouts.setdefault(each.payout.statement_id, []).append(Payout.of(each))
    if "invoices" in fields:
        for issued in await invoice_list.of_statements(session, ids):
            invoices.setdefault(issued.statement_id, []).append(CommissionInvoice.of(merchant_id, issued))
    return Beside(merchant_id, _lines(reader), payouts, invoices)


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[Statement]:
    """``merchant { statements }``. Raises NotPermitted."""
    return await _page(info, partial(as_staff, info.context), first, after)


async def of_platform(
    info: Info, merchant: strawberry.ID, first: int | None, after: str | None
) -> Connection[Statement]:
    """``platform { statements }``. Raises NotPermitted, NotFound."""
    access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_READ)
    (merchant_id,) = decode_id(merchant, "MerchantRecord", 1, ("merchant",))
    return await _page(info, partial(as_platform, info.context, merchant_id), first, after)


async def _page(info: Info, reader: Reader, first: int | None, after: str | None) -> Connection[Statement]:
    asked = page("statements", (datetime, UUID), first, after)
    fields = set[str]().union(*(wanted(info, *path) for path in IN_PAGE))
    async with reader() as session:
        found = await statement.page(session, limit=asked.limit, after=asked.after)
        beside = await _beside(reader, session, found, fields)
    return connection_of(
        found, asked, cursor_of=lambda each: each.cursor, node_of=lambda each: Statement.of(each, beside)
    )


async def of_number(info: Info, reader: Reader, number: str) -> Statement | None:
    """The statement of this number. Raises what the reader raises."""
    async with reader() as session:
        found = await statement_list.by_number(session, number)
        beside = await _beside(reader, session, [found] if found else [], wanted(info))
    return Statement.of(found, beside) if found else None


async def find(context: Context, merchant_id: UUID, statement_id: UUID) -> Statement:
    """The statement, for the selected merchant's staff or the platform's. Raises NotPermitted, NotFound."""
    reader = of_id(context, merchant_id)
    async with reader() as session:
        found = await statement.find(session, statement_id)
        return Statement.of(found, await _beside(reader, session, [found]))


@node("Statement", parts=2)
async def load_statement(info: Info, parts: Parts) -> Statement | None:
    """The statement, for staff of its merchant and of the platform who may see settlements."""
    return await find(info.context, *parts)
