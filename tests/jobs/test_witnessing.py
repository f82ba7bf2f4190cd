"""The log and its witnesses, over real HTTP: cosignatures, the quorum, and what happens where one of them is bad."""

import asyncio
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import delete, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from merchantry.domain.note import Note
from merchantry.jobs import resuming
from merchantry.jobs.resuming import WitnessesSilent
from merchantry.jobs.sequencing import sequence_forever
from merchantry.jobs.witnessing import witness_forever
from merchantry.services import log
from merchantry.services.log_sequencing import LogHalted
from merchantry.tables.log import log_confirmed, log_cosignature, log_queue
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.signing import Signer, cosigned
from merchantry.transparency.witness_policy import PolicyWitness
from tenancy.database import Database
from tenancy.logins import Logins
from tests.builders import a_merchant
from tests.jobs.witnesses import KEYS, a_policy, ask_all, auditors, confirmed, grow, now
from tests.services.test_log import queue
from tests.witness.paper_log import served

NOWHERE = PolicyWitness(Signer.witness("gone.example/witness", bytes(32)).verifier, "http://127.0.0.1:1")


@pytest.fixture
async def merchant_id(database: Database) -> UUID:
    """Of a merchant of whom nothing waits for the log, so that tests count from 1."""
    merchant_id = (await a_merchant(database)).id
    async with database.write("test") as tx, tx.as_platform() as session:
        await session.execute(delete(log_queue))
    return merchant_id


async def test_a_head_is_confirmed_once_a_quorum_has_cosigned_it(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna", "bert") as (anna, bert):
        policy = a_policy(2, anna.seat, bert.seat)
        size = await grow(database, merchant_id, 1, 2, 3)
        assert await ask_all(database, a_policy(2, anna.seat)) == []
        assert await confirmed(database) is None
        assert await ask_all(database, policy) == []
        assert await confirmed(database) == size
        later = await grow(database, merchant_id, *range(4, 300))
        assert await ask_all(database, policy) == []
        assert (await confirmed(database), anna.size(), bert.size()) == (later, later, later)
        async with database.read("test") as tx, tx.as_public() as session:
            lines = await log.cosignatures(session, later)
            head = await log.head(session)
        assert head
        note = head.note(KEYS.origin).signed(lines)
        assert all(cosigned(Note.parse(str(note)), each.witness.verifier) for each in (anna, bert))


async def test_a_witness_that_is_away_does_not_hold_up_the_others_and_catches_up(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna", "bert") as (anna, bert):
        await grow(database, merchant_id, 1)
        assert len(await ask_all(database, a_policy(2, anna.seat, NOWHERE, bert.seat))) == 1
        assert await confirmed(database) == 1
    with auditors(tmp_path, "anna", "bert") as (anna, bert):
        await grow(database, merchant_id, 2, 3)
        await ask_all(database, a_policy(1, anna.seat))
        await grow(database, merchant_id, 4)
        assert await ask_all(database, a_policy(2, anna.seat, bert.seat)) == []
        assert (anna.size(), bert.size()) == (4, 4)


async def test_witnesses_are_asked_for_ever_and_a_slow_one_delays_nobody(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def never(request: Request) -> Response:
        loop.call_soon_threadsafe(asked.set)
        await asyncio.sleep(3)
        return PlainTextResponse("too late")

    stop = asyncio.Event()
    slow_app = Starlette(routes=[Route("/add-checkpoint", never, methods=["POST"])])
    with auditors(tmp_path, "anna") as (anna,), served(slow_app) as slow:
        policy = a_policy(1, PolicyWitness(NOWHERE.key, slow), anna.seat)
        await grow(database, merchant_id, 1, 2)
        task = asyncio.create_task(witness_forever(database, policy, now, stop, every_seconds=0.05))
        async with asyncio.timeout(10):
            await asked.wait()
        for size in (2, 3, 4):
            if size > 2:
                await grow(database, merchant_id, size)
            async with asyncio.timeout(10):
                while await confirmed(database) != size:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        stop.set()
        await task


async def test_split_view_does_not_reach_a_quorum_of_two_of_two(
    database: Database, logins: Logins, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna", "bert") as (anna, bert):
        await grow(database, merchant_id, 1, 2, 3)
        await ask_all(database, a_policy(2, anna.seat))
        _rewrite(logins)
        failures = await ask_all(database, a_policy(2, anna.seat, bert.seat))
        assert len(failures) == 1
        assert "another head of 3 leaves" in failures[0]
        assert bert.size() == 3
        assert await confirmed(database) is None
        with anna.witness.store.reading() as store:
            [found] = store.evidence()
            found.evidence.check(KEYS.verifiers)


def _rewrite(logins: Logins) -> None:
    """The operator rewrites the second entry, signs again with the log's own key, and forgets who has seen what."""
    from merchantry.domain.checkpoint import Checkpoint
    from merchantry.domain.merkle import leaf_hash, root
    from merchantry.domain.tile import perfect

    with psycopg.connect(logins.owner) as connection:
        connection.execute("UPDATE platform.log_leaf SET leaf = decode(repeat('77', 32), 'hex') WHERE leaf_index = 1")
        rows = connection.execute("SELECT leaf FROM platform.log_leaf ORDER BY leaf_index").fetchall()
        hashes = [leaf_hash(bytes(row[0])) for row in rows]
        made = root(
            len(hashes), lambda node: perfect(hashes[node.index << node.level : (node.index + 1) << node.level])
        )
        checkpoint = Checkpoint(KEYS.origin, len(hashes), made)
        lines = "".join(each.line for each in KEYS.sign(checkpoint.text))
        connection.execute("UPDATE platform.log_checkpoint SET root = %s, signature = %s", [made, lines])
        connection.execute("TRUNCATE platform.log_cosignature, platform.log_confirmed")


async def test_answers_that_are_no_cosignature_of_the_named_key_are_not_stored(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    await grow(database, merchant_id, 1)
    other = Signer.witness("other.example/witness", bytes(range(32)))
    same_name = Signer.witness(NOWHERE.key.name, bytes(range(32)))
    lines = [other.cosign("x\n", now()).line, same_name.cosign("x\n", now()).line]
    answers = iter(
        [
            PlainTextResponse("nonsense"),
            PlainTextResponse(lines[0]),
            PlainTextResponse(lines[1]),
            PlainTextResponse("1 leaf", 409),
            PlainTextResponse("99\n", 409),
            PlainTextResponse("", 500),
            PlainTextResponse("x" * 100_000),
            Response(b"\xff"),
        ]
    )

    async def answer(request: Request) -> Response:
        return next(answers)

    with served(Starlette(routes=[Route("/add-checkpoint", answer, methods=["POST"])])) as url:
        policy = a_policy(1, PolicyWitness(NOWHERE.key, url))
        for _ in range(8):
            assert len(await ask_all(database, policy)) == 1
    async with database.read("test") as tx, tx.as_platform() as session:
        for table in (log_cosignature, log_confirmed):
            assert (await session.execute(select(table))).all() == []


async def test_all_witnesses_are_kept_at_one_head_until_it_is_confirmed(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna", "bert") as (anna, bert):
        await grow(database, merchant_id, 1, 2)
        await ask_all(database, a_policy(2, anna.seat))
        await grow(database, merchant_id, 3)
        await ask_all(database, a_policy(2, anna.seat, bert.seat))
        assert (anna.size(), bert.size()) == (2, 2)
        assert await confirmed(database) == 2
        await ask_all(database, a_policy(2, anna.seat, bert.seat))
        assert await confirmed(database) == 3


async def test_a_shorter_history_is_not_continued(
    database: Database, logins: Logins, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna", "bert") as (anna, bert):
        policy = a_policy(1, anna.seat, bert.seat)
        await resuming.check_history(database, KEYS, policy)  # a log that has not begun, and nobody saw
        await grow(database, merchant_id, 1, 2)
        first = _dump(logins)
        await grow(database, merchant_id, 3, 4)
        await ask_all(database, a_policy(1, anna.seat))
        await resuming.check_history(database, KEYS, policy)
        _restore(logins, *first)
        await queue(database, merchant_id, 3)
        with pytest.raises(LogHalted, match=r"anna.example/witness has a head of 4 leaves .* stored are 2"):
            await resuming.check_history(database, KEYS, policy)
        stop = asyncio.Event()
        task = asyncio.create_task(sequence_forever(database, KEYS, now, stop, policy, poll_seconds=0.01))
        await asyncio.sleep(1)
        stop.set()
        await task
        async with database.read("test") as tx, tx.as_public() as session:
            head = await log.head(session)
        assert head
        assert head.size == 2


def _dump(logins: Logins) -> tuple[int]:
    with psycopg.connect(logins.owner) as connection:
        row = connection.execute("SELECT max(size) FROM platform.log_checkpoint").fetchone()
    assert row
    return (row[0],)


def _restore(logins: Logins, size: int) -> None:
    """What the log was like at this size."""
    with psycopg.connect(logins.owner) as connection:
        for statement in (
            "DELETE FROM platform.log_leaf WHERE leaf_index >= %s",
            "DELETE FROM platform.log_checkpoint WHERE size > %s",
            "DELETE FROM platform.log_cosignature WHERE size > %s",
            "DELETE FROM platform.log_confirmed WHERE size > %s",
        ):
            connection.execute(statement, [size])


async def test_a_different_history_is_not_continued(
    database: Database, logins: Logins, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna") as (anna,):
        policy = a_policy(1, anna.seat)
        await grow(database, merchant_id, 1, 2, 3)
        await ask_all(database, policy)
        _rewrite(logins)
        with pytest.raises(LogHalted, match="stored are others"):
            await resuming.check_history(database, KEYS, policy)


async def test_a_log_begun_anew_with_the_same_key_is_not_continued(
    database: Database, logins: Logins, merchant_id: UUID, tmp_path: Path
) -> None:
    with auditors(tmp_path, "anna") as (anna,):
        policy = a_policy(1, anna.seat)
        await grow(database, merchant_id, 1, 2, 3)
        await ask_all(database, policy)
        with psycopg.connect(logins.owner) as connection:
            connection.execute("TRUNCATE platform.log_leaf, platform.log_checkpoint, platform.log_key")
        with pytest.raises(LogHalted, match="stored are 0"):
            await resuming.check_history(database, KEYS, policy)


async def test_a_witness_that_lies_does_not_stop_the_log_and_does_not_count_as_heard(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    await grow(database, merchant_id, 1)
    liar = Signer.witness("liar.example/witness", bytes([9]) * 32)
    text = f"{KEYS.origin}\n99\n{'A' * 43}=\n"
    forged = LogKeys.from_seeds(KEYS.origin, [bytes(32)]).sign(text)
    note = Note(text, (*forged, liar.cosign(text, now())))

    async def answer(request: Request) -> Response:
        return PlainTextResponse(str(note))

    with (
        auditors(tmp_path, "anna") as (anna,),
        served(Starlette(routes=[Route("/checkpoint", answer)])) as url,
    ):
        seat = PolicyWitness(liar.verifier, url)
        await resuming.check_history(database, KEYS, a_policy(2, anna.seat, seat))
        with pytest.raises(WitnessesSilent, match="1 of 2 witnesses answer; 2 must"):
            await resuming.check_history(database, KEYS, a_policy(1, anna.seat, seat))


async def test_a_witness_that_knows_the_standard_alone_is_asked_by_it(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    await grow(database, merchant_id, 1)

    async def conflict(request: Request) -> Response:
        assert (await request.body()).startswith(b"old 0\n")
        return Response("99\n", 409, {"content-type": "text/x.tlog.size"})

    with served(Starlette(routes=[Route("/add-checkpoint", conflict, methods=["POST"])])) as url:
        await resuming.check_history(database, KEYS, a_policy(1, PolicyWitness(NOWHERE.key, url)))


async def test_while_too_few_witnesses_answer_nothing_is_signed(
    database: Database, merchant_id: UUID, tmp_path: Path
) -> None:
    await queue(database, merchant_id, 1)
    stop = asyncio.Event()
    task = asyncio.create_task(sequence_forever(database, KEYS, now, stop, a_policy(1, NOWHERE), poll_seconds=0.01))
    await asyncio.sleep(0.5)
    stop.set()
    await task
    async with database.read("test") as tx, tx.as_public() as session:
        assert await log.head(session) is None
