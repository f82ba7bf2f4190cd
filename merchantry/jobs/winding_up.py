"""Finishing with a merchant that is closing: its last settlement, then its end. Killed anywhere, it is run again."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.winding_up import Blocker
from merchantry.services import sealing, winding_up
from merchantry.services.settlement import Closed
from tenancy.database import Database


@dataclass(frozen=True, slots=True)
class Finished:
    """How far it came: what stands in the way, what was settled on the way, and whether the merchant is closed."""

    blockers: tuple[Blocker, ...]
    settled: Closed
    is_closed: bool


async def finish(database: Database, merchant_id: UUID, act: Act, *, keep_debt: bool) -> Finished:
    """Do what can be done now. Raises NotFound, InvalidInput unless the merchant is closing."""
    settled = await database.run(act.actor, lambda tx: winding_up.settle_last(tx, merchant_id, act))
    blockers = settled.blockers or await blockers_now(database, merchant_id, act, keep_debt=keep_debt)
    if blockers:
        return Finished(blockers, settled.closed, is_closed=False)
    loop = asyncio.get_running_loop()

    def is_settled() -> bool:
        asked = blockers_now(database, merchant_id, act, keep_debt=keep_debt)
        return not asyncio.run_coroutine_threadsafe(asked, loop).result()

    is_closed = await asyncio.to_thread(sealing.seal, database.logins.owner, merchant_id, is_settled, act)
    if not is_closed:
        blockers = await blockers_now(database, merchant_id, act, keep_debt=keep_debt)
    return Finished(blockers, settled.closed, is_closed)


async def blockers_now(database: Database, merchant_id: UUID, act: Act, *, keep_debt: bool) -> tuple[Blocker, ...]:
    """What stands in the way of a merchant's end, in one snapshot."""
    async with database.read(act.actor) as tx, tx.as_merchant(merchant_id) as session:
        return winding_up.blockers_of(await winding_up.standing_of(session), act.at, keep_debt=keep_debt)
