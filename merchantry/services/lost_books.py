"""What a merchant's books lost by a restore, as verification must know it: holes that people have accepted."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select

from merchantry.domain.entries import EARNED, MIRRORED
from merchantry.domain.ledger import Account, Json, PlatformAccount
from merchantry.domain.ledger_audit import WRITTEN_OFF as WRITTEN_OFF_FACT
from merchantry.domain.restore import GapStatus
from merchantry.tables.backup import restore_gap
from tenancy.database import PlatformSession

OPEN, REPLAYED, WRITTEN_OFF = GapStatus
ACCEPTED: Final = (WRITTEN_OFF,)
ALL: Final = (OPEN, WRITTEN_OFF)

Sums = Counter[tuple[str, str]]

MIRRORED_BACK: Final[Mapping[PlatformAccount, Account]] = {
    **{mirrored: account for account, mirrored in MIRRORED.items()},
    PlatformAccount.SALES_PENDING: Account.PLATFORM_MARGIN,
}
BACK: Final[Mapping[str, Account]] = {
    **{str(mirrored): account for mirrored, account in MIRRORED_BACK.items()},
    **{str(earned): MIRRORED_BACK[pending] for pending, earned in EARNED.items()},
}
"""The merchant's account that an account of the platform's subledger mirrors; clearing mirrors none."""


@dataclass
class Lost:
    """Entries and statements that are missing. ``sides`` is what the platform's subledger holds of the entries,
    ``adjusted`` what the merchant's books hold in their place; both by the merchant's account and currency."""

    entries: frozenset[int] = frozenset()
    statements: frozenset[str] = frozenset()
    is_open: bool = False
    sides: Sums = field(default_factory=Counter)
    adjusted: Sums = field(default_factory=Counter)

    def expected_after(self, seq: int) -> int:
        """The number of the entry that comes next, behind those that are missing."""
        seq += 1
        while seq in self.entries:
            seq += 1
        return seq

    def add_side(self, row: Row[Any]) -> None:
        """The platform's side of a missing entry."""
        self.sides.update(mirrored_back(row.account, row.currency, row.amount))


def mirrored_back(accounts: Collection[str], currencies: Collection[str], amounts: Collection[int]) -> Sums:
    """What postings of the platform's subledger are in a merchant's ledger."""
    sums: Sums = Counter()
    for account, currency, amount in zip(accounts, currencies, amounts, strict=True):
        if account in BACK:
            sums[str(BACK[account]), currency] += amount
    return sums


def stands_for_lost(details: Mapping[str, Json]) -> bool:
    """Whether an entry is the adjustment of a restore."""
    return WRITTEN_OFF_FACT in details


async def lost_of(session: PlatformSession, merchant_id: UUID, statuses: Collection[str] = ACCEPTED) -> Lost:
    """What restores of the merchant lack, with these statuses."""
    table = restore_gap.c
    rows = await session.execute(
        select(table.kind, table.seq, table.subject, table.status).where(
            table.merchant_id == merchant_id, table.status.in_(list(statuses))
        )
    )
    found = rows.all()
    return Lost(
        entries=frozenset(row.seq for row in found if row.kind == "entry"),
        statements=frozenset(row.subject for row in found if row.kind == "statement"),
        is_open=any(row.status == OPEN for row in found),
    )
