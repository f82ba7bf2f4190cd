"""Before a log goes on: its witnesses are asked what it has signed, so that a shorter history is not continued.

A witness is believed only what the log itself has signed: one that lies can't stop the log.
"""

import asyncio
from collections.abc import Sequence

import structlog

from merchantry.domain.add_checkpoint import AddCheckpoint
from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.note import NoteError, VerifierKey
from merchantry.jobs.tools import ACTOR
from merchantry.services import log as logs
from merchantry.services.log_sequencing import LogHalted
from merchantry.transparency.evidence import signed_checkpoint
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.witness_client import Conflict, WitnessClient, WitnessFailed, new_client
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import Database

log = structlog.get_logger()


class WitnessesSilent(Exception):
    """Too few witnesses answered to know what this log has signed."""


async def check_history(database: Database, keys: LogKeys, policy: WitnessPolicy) -> None:
    """That the stored leaves continue every head that witnesses have cosigned.

    Raises LogHalted where they don't, WitnessesSilent where a head that was confirmed could have gone unseen.
    """
    async with new_client() as http:
        clients = [WitnessClient(http, each) for each in policy.reachable]
        answers = await asyncio.gather(*(_seen_by(database, client, keys) for client in clients))
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        head = await logs.head(session)
        size = head.size if head else 0
        for name, seen in (answer for answer in answers if answer is not None):
            if seen is None:
                continue
            if seen.size > size:
                raise LogHalted(
                    f"{name} has a head of {seen.size} leaves that this log signed; stored are {size}. "
                    "Restore a later backup: a history that was shown to others is not shortened"
                )
            if await logs.root_of(session, seen.size) != seen.root:
                raise LogHalted(f"{name} has a head of {seen.size} leaves that this log signed; stored are others")
    answered = sum(answer is not None for answer in answers)
    if answered < policy.enough_to_know:
        raise WitnessesSilent(f"{answered} of {len(answers)} witnesses answer; {policy.enough_to_know} must")


async def _seen_by(database: Database, client: WitnessClient, keys: LogKeys) -> tuple[str, Checkpoint | None] | None:
    """The witness's name, and the last head that it has of us, None for nothing; None where it does not say."""
    try:
        note = await client.last(keys.origin)
        if note is None:
            return await _asked_by_standard(database, client)
        return client.name, signed_checkpoint(note, await _known(database, keys))
    except (WitnessFailed, NoteError) as error:
        log.warning("log.witness_not_heard", witness=client.name, reason=str(error))
        return None


async def _asked_by_standard(database: Database, client: WitnessClient) -> tuple[str, Checkpoint | None]:
    """A witness that shows no heads may be one that knows the standard alone, which tells a size and proves nothing."""
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        head, origin = await logs.head(session), await logs.origin(session)
    if head is not None and origin is not None:
        answer = await client.add_checkpoint(AddCheckpoint(0, (), head.note(origin)))
        if isinstance(answer, Conflict) and answer.size > head.size:
            log.critical("log.witness_claims_more", witness=client.name, size=answer.size, ours=head.size)
    return client.name, None


async def _known(database: Database, keys: LogKeys) -> Sequence[VerifierKey]:
    """Every key that the log signs or has signed with."""
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        stored = [VerifierKey.parse(each) for each in await logs.verifiers(session)]
    return list(dict.fromkeys([*stored, *keys.verifiers]))
