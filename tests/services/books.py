"""A merchant's ledger filled by hand, for tests of what follows from it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from merchantry.domain import entries
from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.services import ledger, settlement
from merchantry.services.settlement import Closed
from merchantry.tables.merchant import balance, ledger_entry
from merchantry.tables.merchant_settlement import payee_account, statement, statement_line
from merchantry.tables.settlement import commission_invoice, settlement_terms
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_merchant, an_act


@dataclass
class Shelf:
    """One merchant's books."""

    database: Database
    merchant: Merchant

    async def book(self, entry: Entry, booked_at: datetime | None = None) -> int:
        """Book an entry, in a transaction of its own."""
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            act = an_act(at=entry.occurred_at, booked_at=booked_at or entry.occurred_at)
            side = entries.platform_side(entry, earned=True)
            return await ledger.book(session, entry, act, side)

    async def sell(
        self, amount_minor: int, available_at: datetime, commission_minor: int = 0, currency: str = "BRL"
    ) -> int:
        """An order whose hold ended at a moment, with the merchant's part; captured just before."""
        parts = (
            Posting(Account.BUYER_FUNDS, currency, -amount_minor - commission_minor),
            Posting(Account.MERCHANT_PENDING, currency, amount_minor),
            Posting(Account.PLATFORM_COMMISSION, currency, commission_minor),
        )
        await self.book(Entry(EntryKind.CAPTURE, None, available_at, None, None, parts, {}))
        return await self.release(amount_minor, available_at, commission_minor, currency)

    async def release(
        self, amount_minor: int, available_at: datetime, commission_minor: int = 0, currency: str = "BRL"
    ) -> int:
        """The end of a hold alone, of an order that nobody knows."""
        details: dict[str, Any] = {"commission_minor": commission_minor, "commission_tax_minor": 0}
        entry = entries.release(
            uuid4(), amount_minor, currency, occurred_at=available_at, available_at=available_at, details=details
        )
        return await self.book(entry)

    async def take(self, amount_minor: int, at: datetime, booked_at: datetime | None = None) -> int:
        """The platform takes money of the available balance."""
        entry = entries.adjustment(-amount_minor, "BRL", occurred_at=at, details={"reason": "parcel lost"})
        return await self.book(entry, booked_at)

    async def set_terms(self, **terms: Any) -> None:
        """Change what the merchant's payouts are subject to."""
        async with self.database.write("test") as tx, tx.as_platform() as session:
            table = settlement_terms.c
            await session.execute(update(settlement_terms).where(table.merchant_id == self.merchant.id).values(**terms))

    async def add_account(self, usable_from: datetime = NOON, currency: str = "BRL", **facts: Any) -> UUID:
        """An account to pay to."""
        row = {
            "id": uuid4(),
            "kind": "bank",
            "currency": currency,
            "shown": "•••• 1234",
            "sealed": b"sealed",
            "status": "verified",
            "usable_from": usable_from,
            "created_at": NOON,
            "created_by": "staff:test",
        }
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            await session.execute(insert(payee_account).values(row | facts))
        return UUID(str((row | facts)["id"]))

    async def close(self, until: datetime, booked_at: datetime | None = None) -> Closed:
        """Close what is due."""
        async with self.database.write("test") as tx:
            async with tx.as_platform() as platform:
                conditions = await settlement.conditions_of(platform, self.merchant.id, booked_at or until)
            async with tx.as_merchant(self.merchant.id) as session:
                return await settlement.close(session, conditions, until, an_act(at=until, booked_at=booked_at))

    async def statements(self) -> list[Any]:
        """All statements, the earliest first."""
        return await self._rows(select(statement).order_by(statement.c.ends_at, statement.c.currency))

    async def invoices(self) -> list[Any]:
        """Invoices and credit notes, by kind and number."""
        table = commission_invoice.c
        return await self._rows(select(commission_invoice).order_by(table.kind, table.number))

    async def lines(self, statement_id: UUID) -> list[Any]:
        """What a statement claims."""
        lines = select(statement_line).where(statement_line.c.statement_id == statement_id)
        return await self._rows(lines.order_by(statement_line.c.available_at, statement_line.c.entry_seq))

    async def balances(self) -> dict[str, int]:
        """All balances in BRL that are not zero."""
        rows = await self._rows(select(balance).where(balance.c.currency == "BRL"))
        return {row.account: row.amount_minor for row in rows if row.amount_minor}

    async def kinds(self) -> list[str]:
        """The kinds of all entries, in their order."""
        return [row.kind for row in await self._rows(select(ledger_entry.c.kind).order_by(ledger_entry.c.seq))]

    async def _rows(self, query: Any) -> list[Any]:
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant.id) as session:
            return list(await session.execute(query))


async def a_shelf(database: Database, slug: str | None = None, **profile: Any) -> Shelf:
    """Empty books of a new merchant."""
    return Shelf(database, await a_merchant(database, slug, **profile))
