"""Witnesses that follow hand in their cosignatures: what counts, and what is refused however it is made."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, select
from starlette.applications import Starlette
from structlog.testing import capture_logs

from graphql_api import cosignature_routes, log_routes
from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.note import Note
from merchantry.services import log
from merchantry.tables.log import log_cosignature, log_queue
from merchantry.transparency.signing import Signer, cosigned
from merchantry.transparency.witness_policy import PolicyWitness
from tenancy.database import Database
from tests.builders import a_merchant
from tests.jobs.witnesses import KEYS, a_policy, confirmed, grow, now

ANNA, BERT = (Signer.witness(f"{name}.example/witness", name.encode() * 8) for name in ("anna", "bert"))
STRANGER = Signer.witness("anna.example/witness", bytes(32))
"""Has Anna's name and not her key."""


@dataclass
class Door:
    """The log's own door, where Anna and Bert together confirm a head."""

    http: httpx.AsyncClient
    database: Database
    merchant_id: UUID

    async def wanted(self) -> Note:
        answer = await self.http.get("/log/wanted")
        assert answer.status_code == 200
        return Note.parse(answer.text)

    async def hand_in(self, note: object) -> httpx.Response:
        content = note if isinstance(note, bytes) else str(note).encode()
        return await self.http.post("/log/cosignatures", content=content)

    async def stored(self) -> list[tuple[int, str]]:
        async with self.database.read("test") as tx, tx.as_platform() as session:
            rows = await session.execute(select(log_cosignature.c.size, log_cosignature.c.witness))
            return [(row.size, row.witness) for row in rows]


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Door]:
    """With a log of three leaves."""
    merchant_id = (await a_merchant(database)).id
    async with database.write("test") as tx, tx.as_platform() as session:
        await session.execute(delete(log_queue))
    await grow(database, merchant_id, 1, 2, 3)
    policy = a_policy(2, *(PolicyWitness(each.verifier, None) for each in (ANNA, BERT)))
    routes = [*cosignature_routes.routes(database, policy, now), *log_routes.routes(database)]
    transport = httpx.ASGITransport(app=Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://mall.example") as http:
        yield Door(http, database, merchant_id)


def by(signer: Signer, note: Note) -> Note:
    """The head with a cosignature."""
    return note.signed([signer.cosign(note.text, now())])


def head(size: int, root: bytes = bytes(32), origin: str = KEYS.origin, *, is_signed: bool = False) -> Note:
    """A head that the log does not have, in its own hand or unsigned."""
    text = Checkpoint(origin, size, root).text
    return Note(text, tuple(KEYS.sign(text)) if is_signed else ())


async def test_a_head_is_confirmed_once_both_have_handed_in_and_not_before(door: Door) -> None:
    note = await door.wanted()
    for _ in range(2):
        assert (await door.hand_in(by(ANNA, note))).status_code == 200
    assert await door.stored() == [(3, ANNA.verifier.name)]
    assert await confirmed(door.database) is None
    assert (await door.hand_in(by(BERT, note))).status_code == 200
    assert await confirmed(door.database) == 3
    shown = Note.parse((await door.http.get("/log/confirmed")).text)
    assert all(cosigned(shown, each.verifier) for each in (ANNA, BERT))


async def test_two_at_the_same_moment_confirm_a_head(door: Door) -> None:
    for size in range(4, 12):
        await grow(door.database, door.merchant_id, size)
        note = await door.wanted()
        answers = await asyncio.gather(*(door.hand_in(by(each, note)) for each in (ANNA, BERT)))
        assert [each.status_code for each in answers] == [200, 200]
        assert await confirmed(door.database) == size


async def test_a_note_with_both_cosignatures_and_those_of_strangers_counts_for_both(door: Door) -> None:
    note = by(STRANGER, by(BERT, by(ANNA, await door.wanted())))
    assert (await door.hand_in(note)).status_code == 200
    assert await confirmed(door.database) == 3


async def test_all_are_shown_the_head_that_one_has_cosigned_until_it_is_confirmed(door: Door) -> None:
    note = await door.wanted()
    await door.hand_in(by(ANNA, note))
    await grow(door.database, door.merchant_id, 4)
    held = await door.wanted()
    assert held.text == note.text
    assert cosigned(held, ANNA.verifier)
    await door.hand_in(by(BERT, held))
    assert Checkpoint.parse((await door.wanted()).text).size == 4


async def test_a_stale_cosignature_confirms_its_own_head_and_takes_nothing_back(door: Door) -> None:
    old = await door.wanted()
    await grow(door.database, door.merchant_id, 4)
    new = await door.wanted()
    for each in (ANNA, BERT):
        await door.hand_in(by(each, new))
    assert await confirmed(door.database) == 4
    for each in (ANNA, BERT):
        assert (await door.hand_in(by(each, old))).status_code == 200
    assert await confirmed(door.database) == 4
    assert Checkpoint.parse((await door.wanted()).text).size == 4


async def test_forged_and_foreign_cosignatures_are_refused(door: Door) -> None:
    note = await door.wanted()
    genuine = ANNA.cosign(note.text, now())
    moved = Note(note.text, (type(genuine)(genuine.name, genuine.key_id, b"\0" * 8 + genuine.signature[8:]),))
    cut = Note(note.text, (type(genuine)(genuine.name, genuine.key_id, genuine.signature[:-1]),))
    elsewhere = note.signed([ANNA.cosign(head(3).text, now())])
    twice = by(ANNA, by(ANNA, note))
    spoilt = Note(note.text, (*by(BERT, note).signatures, *moved.signatures))
    for each in (note, by(STRANGER, note), moved, cut, elsewhere, twice, spoilt):
        assert (await door.hand_in(each)).status_code == 403
    assert await door.stored() == []


async def test_heads_that_the_log_has_not_signed_are_refused_whoever_cosigned_them(door: Door) -> None:
    assert (await door.hand_in(by(ANNA, head(3, origin="other.example/log")))).status_code == 404
    more = Note(f"{(await door.wanted()).text}further line\n", ())
    for each in (head(3), head(2), head(0), head(4), head(2**63 - 1), more):
        answer = await door.hand_in(by(ANNA, each))
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (409, "3\n", "text/x.tlog.size")
    assert await door.stored() == []


@pytest.mark.parametrize("size", [3, 7], ids=["another_root", "a_larger_tree"])
async def test_a_head_in_the_logs_own_hand_that_it_does_not_have_is_an_alarm(door: Door, size: int) -> None:
    with capture_logs() as lines:
        assert (await door.hand_in(by(ANNA, head(size, is_signed=True)))).status_code == 409
        assert (await door.hand_in(by(ANNA, head(size)))).status_code == 409
    assert [each["size"] for each in lines if each["event"] == "log.witness_has_another_head"] == [size]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"null", 400),
        (b"\0" * 100, 400),
        ("𝕊\n\n— anna.example/witness AAAA\n".encode(), 400),
        (str(by(ANNA, Note("mall.example/log\n9999999999999999999\n" + "A" * 43 + "=\n", ()))).encode(), 400),
        (b"x" * 70_000, 413),
    ],
    ids=["empty", "no_text", "json", "zeros", "unicode", "no_possible_size", "too_long"],
)
async def test_what_is_no_cosigned_head_is_refused(door: Door, body: bytes, status: int) -> None:
    assert (await door.hand_in(body)).status_code == status
    assert await door.stored() == []


async def test_a_log_without_a_policy_takes_no_cosignatures(database: Database, door: Door) -> None:
    assert cosignature_routes.routes(database, None, now) == []


async def test_before_the_log_begins_there_is_nothing_to_cosign(database: Database) -> None:
    policy = a_policy(1, PolicyWitness(ANNA.verifier, None))
    transport = httpx.ASGITransport(app=Starlette(routes=cosignature_routes.routes(database, policy, now)))
    async with httpx.AsyncClient(transport=transport, base_url="http://mall.example") as http:
        assert (await http.get("/log/wanted")).status_code == 404
        assert (await http.post("/log/cosignatures", content=str(by(ANNA, head(1))))).status_code == 404
    async with database.read("test") as tx, tx.as_public() as session:
        assert await log.head(session) is None
