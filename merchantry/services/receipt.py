"""Receipts of entries, made from what is stored: a constant number of statements for any number of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain.leaf import BookedEntry, balances_commitment, buyer_salt
from merchantry.domain.merkle import inclusion_plan, proof
from merchantry.domain.note import Note
from merchantry.domain.receipt import BUYER_RECEIPT, ENTRY_RECEIPT, Receipt, Shown
from merchantry.services import log
from merchantry.tables.log import log_checkpoint, log_confirmed, log_leaf
from tenancy.database import MerchantSession, PublicSession, Session


class LogStatus(StrEnum):
    """How far an entry has come in the public log."""

    QUEUED = "queued"
    SIGNED = "signed"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Places:
    """Where leaves of a merchant's entries are, by ``seq``, and how far the log is."""

    index_of: dict[int, int]
    size: int
    confirmed: int

    def status(self, seq: int) -> LogStatus:
        """How far the entry is."""
        index = self.index_of.get(seq)
        if index is None or index >= self.size:
            return LogStatus.QUEUED
        return LogStatus.CONFIRMED if index < self.confirmed else LogStatus.SIGNED


@dataclass(frozen=True, slots=True)
class Logged:
    """Where entries are in the public log, and receipts by ``seq`` where those were asked for."""

    places: Places = field(default_factory=lambda: Places({}, 0, 0))
    receipts: Mapping[int, Receipt] = field(default_factory=dict)


async def places(session: MerchantSession, seqs: Sequence[int]) -> Places:
    """Where these entries of the merchant are in the log."""
    table = log_leaf.c
    own = select(table.seq, table.leaf_index).where(
        table.merchant_id == session.merchant_id, table.seq == func.any(list(seqs))
    )
    newest = select(func.max(log_checkpoint.c.size)).scalar_subquery().label("size")
    confirmed = select(func.max(log_confirmed.c.size)).scalar_subquery().label("confirmed")
    log_is = (await session.execute(select(newest, confirmed))).one()
    found = {row.seq: row.leaf_index for row in await session.execute(own)}
    return Places(found, log_is.size or 0, log_is.confirmed or 0)


async def receipts(
    session: PublicSession, merchant_id: UUID, entries: Sequence[BookedEntry], known: Places, *, for_buyer: bool
) -> dict[int, Receipt]:
    """Receipts by ``seq``, of those entries that are in the log, under its newest confirmed head that covers them.

    Without such a head: under the newest one. A buyer's receipt shows what the entry says to its buyer, and entries
    that say nothing to him have none.
    """
    indexes = {each.seq: known.index_of[each.seq] for each in entries if known.status(each.seq) != LogStatus.QUEUED}
    if not indexes:
        return {}
    size = known.confirmed if max(indexes.values()) < known.confirmed else known.size
    note = await _note(session, size)
    plans = {seq: inclusion_plan(index, size) for seq, index in indexes.items()}
    hashes = await log.hashes(session, [node for plan in plans.values() for run in plan for node in run], size)
    made = {}
    for entry in entries:
        if entry.seq in plans:
            parts = parts_of(entry, merchant_id, for_buyer=for_buyer)
            if parts is not None:
                path = proof(plans[entry.seq], hashes.__getitem__)
                kind = BUYER_RECEIPT if for_buyer else ENTRY_RECEIPT
                made[entry.seq] = Receipt(kind, *parts, indexes[entry.seq], path, note)
    return made


async def _note(session: Session, size: int) -> Note:
    head, name = await log.head(session, size), await log.origin(session)
    if head is None or name is None:
        raise LookupError(f"The head of {size} leaves is gone")
    return head.note(name).signed(await log.cosignatures(session, head.size))


def parts_of(
    entry: BookedEntry, merchant_id: UUID, *, for_buyer: bool
) -> tuple[Shown, Shown | None, Shown | None] | None:
    """Entry, balances, and what is said to the buyer: each shown or only committed to."""
    bound = entry.commitment(merchant_id)
    said = entry.buyer_bytes(merchant_id)
    if entry.balances is None or entry.balance_salt is None:
        return None if for_buyer else (Shown(bound, entry.canonical(merchant_id).decode(), entry.salt), None, None)
    balances = entry.balances_bytes(merchant_id)
    of_balances = balances_commitment(entry.balance_salt, balances)
    of_buyer = entry.buyer_commitment(merchant_id)
    if not for_buyer:
        shown = Shown(bound, entry.canonical(merchant_id).decode(), entry.salt)
        return shown, Shown(of_balances, balances.decode(), entry.balance_salt), Shown(of_buyer)
    if said is None:
        return None
    return Shown(bound), Shown(of_balances), Shown(of_buyer, said.decode(), buyer_salt(entry.salt))
