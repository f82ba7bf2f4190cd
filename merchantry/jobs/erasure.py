"""Erasing a buyer over all merchants: a transaction each, so that it can be stopped anywhere and gone on with."""

from dataclasses import dataclass
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.erasure import Kept
from merchantry.jobs.tools import ACTOR, Job, Tools
from merchantry.services import erasure
from merchantry.services.erasure import AtMerchant, Erasure
from tenancy.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Erased:
    """How a request stands, how many orders lost their contact data now, and which keep it for the time being."""

    erasure: Erasure
    orders: int
    kept: tuple[Kept, ...]


async def erase(database: Database, erasure_id: UUID, act: Act) -> Erased:
    """Do what can be done of a request. Raises NotFound."""
    async with database.read(act.actor) as tx, tx.as_platform() as session:
        found = await erasure.find(session, erasure_id)
        merchants = await erasure.merchants_of(session, found.buyer_id)
    at_merchants = [await _at(database, merchant_id, found.buyer_id, act) for merchant_id in merchants]

    async def finish(tx: Transaction) -> Erasure:
        async with tx.as_platform() as session:
            return await erasure.finish(session, found, at_merchants, act)

    done = await database.run(act.actor, finish)
    kept = tuple(each for at in at_merchants for each in at.kept)
    return Erased(done, sum(at.erased for at in at_merchants), kept)


async def _at(database: Database, merchant_id: UUID, buyer_id: UUID, act: Act) -> AtMerchant:
    return await database.run(act.actor, lambda tx: erasure.erase_at(tx, merchant_id, buyer_id, act))


async def buyer_erase(tools: Tools, job: Job) -> None:
    """What had to be kept may go by now."""
    await erase(tools.database, job.subject_id, Act(ACTOR, tools.clock(), tools.clock()))
