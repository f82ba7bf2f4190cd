"""A stall whose backups and restores tests go through."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.case import CaseKind, CaseStatus, Vote
from merchantry.jobs import backup, restore
from merchantry.jobs.backup import Taking
from merchantry.jobs.restore import File, Restored
from merchantry.services import case_decision, case_list, restore_gap
from merchantry.services import merchant as merchants
from merchantry.services.backup import Backup
from merchantry.services.case import Case
from merchantry.services.case_effects import EFFECTS
from merchantry.services.restore_gap import Gap
from merchantry.services.verification import Verified, verify_books
from merchantry.tables.merchant import counter, ledger_entry, orders
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tests.builders import an_act
from tests.services.stall import Stall, a_stall


@dataclass
class Safe:
    """One merchant that sells, its master keys, and where its backups are."""

    stall: Stall
    place: Path
    ring: MasterKeys = field(default_factory=lambda: MasterKeys.generate("1"))

    @property
    def database(self) -> Database:
        return self.stall.database

    @property
    def merchant_id(self) -> UUID:
        return self.stall.merchant.id

    @property
    def slug(self) -> str:
        return self.stall.merchant.slug

    def back_up(self, *, is_plain: bool = False) -> Backup:
        """A backup of the merchant as it is now."""
        ring = None if is_plain else self.ring
        taking = Taking(self.database.logins, self.merchant_id, self.slug, ring, "system:test")
        return backup.take(taking, self.place)

    async def restore(self, made: Backup | Path, *, continues: bool = False, **options: Any) -> Restored:
        """Restore a file."""
        path = made if isinstance(made, Path) else Path(made.stored_as)
        file = File(path, self.ring, is_plain=bool(options.pop("is_plain", False)))
        act = an_act("system:restore", at=self.stall.now)
        return await restore.restore(self.database, file, act, continues=continues, **options)

    async def settle(self) -> Restored:
        """Look what is still missing."""
        return await restore.settle(self.database, self.merchant_id, self.slug, an_act(at=self.stall.now))

    async def sell(self, count: int = 1) -> list[UUID]:
        """Some orders, a minute after each other."""
        sold = []
        for _ in range(count):
            self.stall.now += timedelta(minutes=1)
            sold.append(await self.stall.sell())
        return sold

    async def status(self) -> str:
        """The merchant's, as the directory has it."""
        async with self.database.read("test") as tx, tx.as_platform() as session:
            [found] = await merchants.by_ids(session, [self.merchant_id])
            return found.merchant.status

    async def gaps(self) -> list[Gap]:
        """All that restores lacked, in whatever status."""
        async with self.database.read("test") as tx, tx.as_platform() as session:
            return await restore_gap.gaps_of(session, self.merchant_id)

    async def counter(self, name: str) -> int:
        """The last number of a kind that was given."""
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant_id) as session:
            value: int = await session.scalar(select(counter.c.value).where(counter.c.name == name))
            return value

    async def abandon(self) -> Restored:
        """Take the restore back."""
        return await restore.abandon(self.database, self.merchant_id, self.slug, an_act(at=self.stall.now))

    async def case(self) -> Case:
        """The open case about what is missing."""
        async with self.database.read("test") as tx, tx.as_platform() as session:
            [found] = await case_list.page(session, limit=5, kinds=[CaseKind.RESTORE_GAP], statuses=[CaseStatus.OPEN])
            return found

    async def vote(self, found: Case, account_id: UUID) -> None:
        """Somebody of the platform approves."""
        act = an_act(f"platform:{account_id}", at=self.stall.now)
        async with self.database.write("test") as tx:
            vote = (found.merchant_id, found.id, Vote.APPROVE, "nothing else is left of it", act)
            await case_decision.decide(tx, *vote, effects=EFFECTS)

    async def seqs(self) -> list[int]:
        """The numbers of all entries."""
        return list(await self._column(select(ledger_entry.c.seq).order_by(ledger_entry.c.seq)))

    async def numbers(self) -> list[str]:
        """The numbers of all orders."""
        return list(await self._column(select(orders.c.number).order_by(orders.c.number)))

    async def _column(self, query: Any) -> list[Any]:
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant_id) as session:
            return list((await session.execute(query)).scalars())

    async def verified(self) -> Verified:
        """The merchant's books, recounted."""
        [found] = [each async for each in verify_books(self.database, [(self.merchant_id, self.slug)])]
        return found


async def a_safe(database: Database, place: Path) -> Safe:
    """A stall that has sold nothing yet."""
    return Safe(await a_stall(database), place)
