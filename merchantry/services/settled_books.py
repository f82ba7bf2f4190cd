"""One merchant's statements and payouts recounted: what they claim, and what the ledger says that was paid."""

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from merchantry.domain import statement as statements
from merchantry.domain.ledger import Account
from merchantry.services import statement
from merchantry.services.books import Books, Law
from merchantry.tables.merchant import balance, ledger_entry
from merchantry.tables.merchant_settlement import statement as statement_table
from merchantry.tables.merchant_settlement import statement_line
from merchantry.tables.payout import payout
from tenancy.database import MerchantSession

MOST = 100
"""Rows that are named where many break the same law."""


async def check(session: MerchantSession, books: Books) -> None:
    """Every law of statements and payouts, on what is stored."""
    rows = list(await session.execute(select(statement_table).order_by(statement_table.c.ends_at)))
    await _check_chain(session, books, rows)
    for row in rows:
        rebuilt = await statement.rebuilt(session, row.id)
        digest = statements.content_hash(rebuilt).hex()
        if digest != bytes(row.content_hash).hex():
            books.report(Law.STATEMENT, row.number, expected=bytes(row.content_hash).hex(), found=digest)
    await _check_claims(session, books)
    await _check_unclaimed(session, books, rows)
    await _check_payouts(session, books, {row.id: row.number for row in rows})


async def _check_chain(session: MerchantSession, books: Books, rows: list[Row[Any]]) -> None:
    """Opening balance + lines = closing balance, which is the next one's opening balance."""
    table = statement_line.c
    total, count = func.sum(table.amount_minor).label("total"), func.count().label("entries")
    summed = select(table.statement_id, total, count).group_by(table.statement_id)
    sums = {row.statement_id: (int(row.total), row.entries) for row in await session.execute(summed)}
    closing: dict[str, int] = {}
    for row in rows:
        amount, entries = sums.get(row.id, (0, 0))
        expected = (closing.get(row.currency, 0), closing.get(row.currency, 0) + amount, entries)
        found = (row.opening_minor, row.closing_minor, row.entries)
        if expected != found:
            books.report(Law.STATEMENT, row.number, expected=expected, found=found)
        closing[row.currency] = row.closing_minor


_posting = (
    select(
        ledger_entry.c.seq,
        func.unnest(ledger_entry.c.account).label("account"),
        func.unnest(ledger_entry.c.currency).label("currency"),
        func.unnest(ledger_entry.c.amount).label("amount"),
    )
    .where(ledger_entry.c.available_at.is_not(None))
    .subquery()
)
_changes = (
    select(_posting.c.seq, _posting.c.currency, func.sum(_posting.c.amount).label("amount"))
    .where(_posting.c.account == Account.MERCHANT_AVAILABLE)
    .group_by(_posting.c.seq, _posting.c.currency)
    .subquery()
)


async def _check_claims(session: MerchantSession, books: Books) -> None:
    """A line says what its entry says."""
    table = statement_line.c
    wrong = (
        select(table.entry_seq, table.currency, table.amount_minor, _changes.c.amount)
        .outerjoin(_changes, (_changes.c.seq == table.entry_seq) & (_changes.c.currency == table.currency))
        .where(_changes.c.amount.is_distinct_from(table.amount_minor))
        .limit(MOST)
    )
    for row in await session.execute(wrong):
        books.report(Law.STATEMENT_LINE, f"entry {row.entry_seq}", expected=row.amount, found=row.amount_minor)


async def _check_unclaimed(session: MerchantSession, books: Books, rows: list[Row[Any]]) -> None:
    """The last closing balance, and what no statement has claimed yet, are the available balance."""
    table = statement_line.c
    claimed = (table.entry_seq == _changes.c.seq) & (table.currency == _changes.c.currency)
    open_changes = (
        select(_changes.c.currency, func.sum(_changes.c.amount).label("amount"))
        .outerjoin(statement_line, claimed)
        .where(table.entry_seq.is_(None))
        .group_by(_changes.c.currency)
    )
    expected = Counter({row.currency: row.closing_minor for row in rows})
    expected.update({row.currency: int(row.amount) for row in await session.execute(open_changes)})
    available = select(balance.c.currency, balance.c.amount_minor)
    kept = await session.execute(available.where(balance.c.account == Account.MERCHANT_AVAILABLE))
    found = {row.currency: row.amount_minor for row in kept}
    for currency in sorted({*expected, *found}):
        if expected[currency] != found.get(currency, 0):
            name = f"available {currency}"
            books.report(Law.STATEMENT_CLAIMS, name, expected=expected[currency], found=found.get(currency, 0))


async def _check_payouts(session: MerchantSession, books: Books, numbers: dict[UUID, str]) -> None:
    """What is in payout and paid out is the sum of the payouts."""
    rows = list(await session.execute(select(payout).where(payout.c.merchant_id == session.merchant_id)))
    in_payout, paid_out = Counter[str](), Counter[str]()
    for row in rows:
        if row.statement_id not in numbers and str(row.statement_id) not in books.lost.statements:
            books.report(Law.PAYOUT, row.number, expected="a statement of the merchant", found=row.statement_id)
        paid_out[row.currency] += row.paid_minor - row.returned_minor
        in_payout[row.currency] += 0 if row.status == "cancelled" else row.amount_minor - row.paid_minor
    if books.lost.is_open:
        return  # entries about payouts may be missing, and nothing stands for them yet
    for account, expected in ((Account.IN_PAYOUT, in_payout), (Account.PAID_OUT, paid_out)):
        for currency in sorted({*expected, *(kept for name, kept in books.balances if name == account)}):
            [found] = books.balances.get((account, currency), (0,))
            if expected[currency] != found:
                books.report(Law.PAYOUT, f"{account} {currency}", expected=expected[currency], found=found)
