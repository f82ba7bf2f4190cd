"""A quarantined merchant gets back, from its own receipts, entries that a restore lost: exactly as they were booked.

The log has signed what each receipt shows. Receipts hold money and no orders: an order or product that is missing
stays missing, and is written off by two people.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import func, select

from merchantry.domain.act import Act
from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.receipt import Receipt, checkpoint_of
from merchantry.domain.receipt_replay import Proven, ReceiptRefused, balances_after, in_order, proven
from merchantry.jobs.restore import Restored, settle
from merchantry.jobs.restored_work import RestoreRefused, Work, as_owner
from merchantry.services import restore_gap, restoring
from merchantry.services.books import Books
from merchantry.services.ledger import ENTRY
from merchantry.services.lost_books import ALL, OPEN, lost_of
from merchantry.services.restore_gap import STATEMENT, Gap
from merchantry.services.restoring import QUARANTINED, Restore
from merchantry.services.totals import FIGURES
from merchantry.services.verification import recounted, verify_books
from merchantry.services.volume import FIGURES as VOLUME_FIGURES
from merchantry.services.volume import KEY
from merchantry.tables.log import log_leaf
from merchantry.tables.merchant import balance, ledger_entry
from merchantry.transparency.trust import Trust, checked_head
from tenancy.database import Database, Transaction
from tenancy.replacing import Connection
from tenancy.schemas import schema_of

NOT_QUARANTINED: Final = "{} is not quarantined, so nothing is to be replayed."
COUNTED: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "daily_total": (("day", "currency", "category"), tuple(FIGURES)),
    "daily_available": (("day", "currency", "period_start", "period_end"), ("orders", "payable_minor")),
    "volume": (tuple(KEY), tuple(VOLUME_FIGURES)),
}
"""What follows from entries and is kept beside them: each table's key and figures, as verification counts them."""

Documents = Sequence[tuple[str, object]]


async def replay(
    database: Database, merchant_id: UUID, slug: str, receipts: Documents, trust: Trust, act: Act
) -> Restored:
    """Book again what these receipts (names and JSON values) show, in order, behind the last entry; all or nothing.

    Entries, balances and what is counted beside them are written in one transaction: killed anywhere, all of it is
    there or nothing, and it can be begun again. Then look what is still missing, as after any restore. Raises
    RestoreRefused, which names the receipt; nothing has changed then.
    """
    restore = await database.run(act.actor, lambda tx: _quarantined(tx, merchant_id, slug))
    try:
        found = [proven(name, document, merchant_id, lambda each: _head(each, trust)) for name, document in receipts]
        async with database.read(act.actor) as tx:
            await _refuse_unlogged(tx, merchant_id, found)
            ordered, after = await _planned(tx, restore, found)
    except ReceiptRefused as refused:
        raise RestoreRefused(str(refused)) from refused
    await _refuse_broken(database, restore, slug, "The books are not right before anything is replayed:")
    books = await recounted(database, merchant_id, ALL)
    books_after = await recounted(database, merchant_id, ALL, [SimpleNamespace(**_row(each)) for each in ordered])

    def write(connection: Connection) -> list[tuple[Any, ...]]:
        before = _write(connection, restore, slug, ordered, after)
        _keep(connection, books_after)
        return before

    before = await asyncio.to_thread(_owned, database, write)
    work = Work(database, restore, slug, act)
    await work.look()
    try:
        await _refuse_broken(database, restore, slug, "With these entries the books would not be right:")
    except RestoreRefused:
        seqs = [each.booked.seq for each in ordered]
        await asyncio.to_thread(_owned, database, lambda each: _take_back(each, seqs, before, books))
        await work.look()
        raise
    return await settle(database, merchant_id, slug, act)


async def _refuse_broken(database: Database, restore: Restore, slug: str, said: str) -> None:
    """Raises RestoreRefused where a law is broken; what is missing breaks none."""
    async for verified in verify_books(database, [(restore.merchant_id, slug)], accepted=ALL):
        if verified.broken:
            raise RestoreRefused("\n".join([said, *(f"  {each.law}: {each.row}" for each in verified.broken[:20])]))


async def _quarantined(tx: Transaction, merchant_id: UUID, slug: str) -> Restore:
    async with tx.as_platform() as session:
        restore = await restoring.open_restore(session, merchant_id)
        if restore is None or restore.status != QUARANTINED:
            raise RestoreRefused(NOT_QUARANTINED.format(slug))
        gaps = await restore_gap.gaps_of(session, merchant_id, restore.id)
    lacking = [each for each in gaps if each.kind == STATEMENT and each.status == OPEN]
    if lacking:
        raise RestoreRefused(_lacks_statements(slug, lacking))
    return restore


def _lacks_statements(slug: str, lacking: Sequence[Gap]) -> str:
    """Which, and what can be done instead. Which entries a statement had claimed is in no receipt and no entry."""
    named = ", ".join(str(each.details.get("number") or each.details.get("payout") or each.subject) for each in lacking)
    return (
        f"{slug} lacks a statement too ({named}). No receipt says which entries it had claimed, so they would be "
        "settled, and invoiced, a second time. Do one of these instead:\n"
        f"  a backup from after it was closed:  merchantry merchant replay {slug} FILE\n"
        "  no such backup is left:             two people approve the case RESTORE_GAP (caseDecide), then\n"
        f"                                      merchantry merchant recheck {slug}\n"
        f"  back to before the restore:         merchantry merchant undo-restore {slug}"
    )


def _head(receipt: Receipt, trust: Trust) -> Checkpoint:
    checked_head(receipt.checkpoint, trust.keys, trust.witnesses, trust.quorum)
    return checkpoint_of(receipt)


async def _refuse_unlogged(tx: Transaction, merchant_id: UUID, found: Collection[Proven]) -> None:
    """The log that is stored has each leaf at its place, as this merchant's entry."""
    table = log_leaf.c
    indexes = [each.leaf_index for each in found]
    async with tx.as_platform() as session:
        rows = await session.execute(select(log_leaf).where(table.leaf_index == func.any(indexes)))
        stored = {row.leaf_index: row for row in rows}
    for each in found:
        row = stored.get(each.leaf_index)
        expected = (merchant_id, ENTRY, each.booked.seq, each.leaf)
        if row is None or (row.merchant_id, row.kind, row.seq, bytes(row.leaf or b"")) != expected:
            raise ReceiptRefused(f"{each.name}: leaf {each.leaf_index} of this log is not that of its entry")


async def _planned(
    tx: Transaction, restore: Restore, found: Sequence[Proven]
) -> tuple[list[Proven], dict[tuple[str, str], int]]:
    async with tx.as_platform() as platform:
        lost = await lost_of(platform, restore.merchant_id)
    async with tx.as_merchant(restore.merchant_id) as session:
        last: int = await session.scalar(select(func.coalesce(func.max(ledger_entry.c.seq), 0))) or 0
        held = {(row.account, row.currency): row.amount_minor for row in await session.execute(select(balance))}
    ordered = in_order(found, last, lost.expected_after)
    return ordered, balances_after(ordered, held)


def _owned(database: Database, work: Any) -> Any:
    """What one transaction of the owner comes to."""
    found: list[Any] = []
    as_owner(database, lambda connection: found.append(work(connection)))
    return found[0]


def _write(
    connection: Connection,
    restore: Restore,
    slug: str,
    ordered: Sequence[Proven],
    after: Mapping[tuple[str, str], int],
) -> list[tuple[Any, ...]]:
    """The entries and the balances after them, where nobody replayed meanwhile. Returns the balances before."""
    schema = schema_of(restore.merchant_id)
    row = connection.execute(
        "SELECT status FROM platform.merchant WHERE id = %s FOR UPDATE", [restore.merchant_id]
    ).fetchone()
    if row != (QUARANTINED,):
        raise RestoreRefused(NOT_QUARANTINED.format(slug))
    table = sql.Identifier(schema, "ledger_entry")
    kept = sql.SQL("SELECT account, currency, amount_minor FROM {}").format(sql.Identifier(schema, "balance"))
    before = list(connection.execute(kept))
    if not ordered:
        return before
    first = ordered[0].booked.seq
    behind = sql.SQL("SELECT count(*) FROM {} WHERE seq >= %s").format(table)
    if connection.execute(behind, [first]).fetchone() != (0,):
        raise RestoreRefused(f"Somebody else has replayed entry {first} meanwhile; nothing was changed.")
    names = list(_row(ordered[0]))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(map(sql.Placeholder, names))
    )
    for each in ordered:
        given = _row(each)
        connection.execute(statement, {**given, "details": Jsonb(given["details"])})
    for (account, currency), amount_minor in after.items():
        upsert = sql.SQL(
            "INSERT INTO {} (account, currency, amount_minor) VALUES (%s, %s, %s)"
            " ON CONFLICT (account, currency) DO UPDATE SET amount_minor = EXCLUDED.amount_minor"
        )
        connection.execute(upsert.format(sql.Identifier(schema, "balance")), [account, currency, amount_minor])
    return before


def _row(each: Proven) -> dict[str, Any]:
    """Its row in the ledger."""
    booked = each.booked
    entry = booked.entry
    return {
        "seq": booked.seq,
        "kind": str(entry.kind),
        "order_id": entry.order_id,
        "occurred_at": entry.occurred_at,
        "booked_at": booked.booked_at,
        "available_at": entry.available_at,
        "reverses": entry.reverses,
        "account": [str(posting.account) for posting in entry.postings],
        "currency": [posting.currency for posting in entry.postings],
        "amount": [posting.amount_minor for posting in entry.postings],
        "details": dict(entry.details),
        "salt": booked.salt,
        "balance_after": list(booked.balances or ()),
        "balance_salt": booked.balance_salt,
    }


def _take_back(connection: Connection, seqs: Sequence[int], before: Sequence[tuple[Any, ...]], books: Books) -> None:
    schema = schema_of(books.merchant_id)
    own = sql.SQL("DELETE FROM {} WHERE seq = ANY(%s)").format(sql.Identifier(schema, "ledger_entry"))
    connection.execute(own, [list(seqs)])
    balances = sql.Identifier(schema, "balance")
    connection.execute(sql.SQL("DELETE FROM {}").format(balances))
    for row in before:
        again = sql.SQL("INSERT INTO {} (account, currency, amount_minor) VALUES (%s, %s, %s)")
        connection.execute(again.format(balances), row)
    _keep(connection, books)


def _keep(connection: Connection, books: Books) -> None:
    """What is kept beside the ledger is what these books have counted."""
    counted: dict[str, Mapping[Any, tuple[Any, ...]]] = {
        "daily_total": books.daily_totals,
        "daily_available": books.daily_available,
        "volume": books.volumes.rows(),
    }
    for name, (key, figures) in COUNTED.items():
        table, columns = sql.Identifier(schema_of(books.merchant_id), name), [*key, *figures]
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(listed, table))
        held = {row[: len(key)]: row[len(key) :] for row in rows}
        right: dict[tuple[Any, ...], tuple[Any, ...]] = {tuple(each): row for each, row in counted[name].items()}
        for gone in held.keys() - {each for each, row in right.items() if held.get(each) == row}:
            where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(each)) for each in key)
            connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table, where), list(gone))
        values = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
        for each, row in right.items():
            if held.get(each) != row:
                statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(table, listed, values)
                connection.execute(statement, [*each, *row])
