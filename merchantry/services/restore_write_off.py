"""What stands in a merchant's books for entries that a restore lost, once two people have given them up.

Of a lost entry the platform knows its own side, and what payouts have moved. The adjustment adopts exactly that, so
that the platform's subledger and the merchant's books agree again, and no payout is paid twice. What the merchant was
due beyond it is not known here; where people know it, they book it as an adjustment of its own.
"""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, Posting
from merchantry.domain.ledger_audit import WRITTEN_OFF as WRITTEN_OFF_FACT
from merchantry.services import ledger
from merchantry.services.lost_books import Sums, mirrored_back
from merchantry.services.restore_gap import ENTRY, Gap
from merchantry.tables.merchant import balance, ledger_entry
from merchantry.tables.payout import payout
from merchantry.tables.platform import merchant_profile, platform_entry
from tenancy.database import MerchantSession, PlatformSession, Transaction


async def book(tx: Transaction, merchant_id: UUID, gaps: Sequence[Gap], act: Act) -> None:
    """Book the adjustments for what one restore lost, one in each currency. Done again, it does nothing."""
    lost = [each for each in gaps if each.kind == ENTRY]
    if not lost:
        return
    async with tx.as_platform() as platform:
        known = await _known(platform, merchant_id, [each.seq for each in lost if each.seq is not None])
        select_currency = select(merchant_profile.c.currency).where(merchant_profile.c.merchant_id == merchant_id)
        usual: str = await platform.scalar(select_currency)
    async with tx.as_merchant(merchant_id) as session:
        if await _is_booked(session, lost[0].restore_id):
            return
        moved = await _payouts(session)
        for currency in sorted({currency for _, currency in (*known, *moved)} or {usual}):
            await ledger.book(session, _entry(currency, known, moved, lost, act), act)


def _entry(currency: str, known: Sums, moved: Sums, lost: Sequence[Gap], act: Act) -> Entry:
    sums: Counter[Account] = Counter()
    for (account, each), amount in known.items():
        if each == currency:
            sums[Account(account)] += amount
            sums[Account.BUYER_FUNDS] -= amount
    for (account, each), amount in moved.items():
        if each == currency:
            sums[Account(account)] += amount
            sums[Account.MERCHANT_AVAILABLE] -= amount
    postings = tuple(Posting(account, currency, amount) for account, amount in sorted(sums.items()) if amount)
    if not postings:
        postings = (Posting(Account.BUYER_FUNDS, currency, 0), Posting(Account.PLATFORM_COMMISSION, currency, 0))
    is_available = any(each.account == Account.MERCHANT_AVAILABLE for each in postings)
    details: dict[str, Json] = {
        "reason": lost[0].reason or "",
        "restore": str(lost[0].restore_id),
        "case": str(lost[0].case_id),
        WRITTEN_OFF_FACT: ranges([each.seq for each in lost if each.seq is not None]),
    }
    available_at = act.at if is_available else None
    return Entry(EntryKind.ADJUSTMENT, None, act.at, available_at, None, postings, details)


def ranges(seqs: Sequence[int]) -> list[Json]:
    """Numbers as pairs of first and last."""
    found: list[list[Json]] = []
    for seq in sorted(seqs):
        if found and found[-1][1] == seq - 1:
            found[-1][1] = seq
        else:
            found.append([seq, seq])
    return [list(each) for each in found]


async def _known(session: PlatformSession, merchant_id: UUID, seqs: Sequence[int]) -> Sums:
    """The platform's side of these entries, by the merchant's accounts."""
    table = platform_entry.c
    sums: Sums = Counter()
    rows = await session.execute(
        select(platform_entry).where(table.merchant_id == merchant_id, table.seq.in_(list(seqs)))
    )
    for row in rows:
        sums.update(mirrored_back(row.account, row.currency, row.amount))
    return sums


async def _payouts(session: MerchantSession) -> Sums:
    """What payouts have moved, less what the books say that they have."""
    sums: Sums = Counter()
    for row in await session.execute(select(payout).where(payout.c.merchant_id == session.merchant_id)):
        sums[Account.PAID_OUT, row.currency] += row.paid_minor - row.returned_minor
        sums[Account.IN_PAYOUT, row.currency] += 0 if row.status == "cancelled" else row.amount_minor - row.paid_minor
    accounts = (Account.PAID_OUT, Account.IN_PAYOUT)
    for row in await session.execute(select(balance).where(balance.c.account.in_(accounts))):
        sums[row.account, row.currency] -= row.amount_minor
    return Counter({key: amount for key, amount in sums.items() if amount})


async def _is_booked(session: MerchantSession, restore_id: UUID) -> bool:
    statement = select(ledger_entry.c.seq).where(
        ledger_entry.c.kind == EntryKind.ADJUSTMENT, ledger_entry.c.details["restore"].astext == str(restore_id)
    )
    return (await session.execute(statement.limit(1))).first() is not None
