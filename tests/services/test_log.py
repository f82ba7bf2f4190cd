"""The public log over a real database: places, tiles, heads and proofs."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import delete, func, insert, select

from merchantry.domain.merkle import check_consistency, check_inclusion, leaf_hash
from merchantry.domain.tile import WIDTH, Tile, split_hashes
from merchantry.jobs.sequencing import sequence, sequence_all
from merchantry.services import log
from merchantry.services.log_sequencing import LogHalted, integrate
from merchantry.tables.log import log_leaf, log_queue
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.signing import verify
from tenancy.database import Database
from tenancy.logins import Logins
from tests.builders import NOON, a_merchant

KEYS = LogKeys.from_seeds("mall.example/log", [bytes(range(32))])


def a_leaf(merchant_id: UUID, seq: int) -> bytes:
    return leaf_hash(merchant_id.bytes + seq.to_bytes(8, "big"))


async def queue(database: Database, merchant_id: UUID, *seqs: int) -> None:
    rows = [
        {"merchant_id": merchant_id, "kind": "entry", "seq": seq, "leaf": a_leaf(merchant_id, seq), "booked_at": NOON}
        for seq in seqs
    ]
    async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        await session.execute(insert(log_queue), rows)


@pytest.fixture
async def merchants(database: Database) -> tuple[UUID, UUID]:
    """Two merchants, and nothing in the queue."""
    made = (await a_merchant(database)).id, (await a_merchant(database)).id
    async with database.write("test") as tx, tx.as_platform() as session:
        await session.execute(delete(log_queue))
    return made


async def test_leaves_get_dense_places_and_every_one_is_proved(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    one, two = merchants
    sizes = []
    for begin in range(0, 600, 75):
        await queue(database, one, *range(begin + 1, begin + 76))
        await queue(database, two, begin // 75 + 1)
        assert await sequence(database, KEYS, NOON) == 76
        async with database.read("test") as tx, tx.as_public() as session:
            head = await log.head(session)
            assert head is not None
            verify(head.note(KEYS.origin), KEYS.verifiers[0])
            sizes.append(head)
    async with database.read("test") as tx, tx.as_public() as session:
        newest = sizes[-1]
        assert newest.size == 608
        for index in range(0, 608, 7):
            [leaf] = await log.leaves(session, index, index + 1)
            path = await log.inclusion(session, index, 608)
            check_inclusion(leaf_hash(leaf), index, 608, path, newest.root)
        for old in sizes:
            path = await log.consistency(session, old.size, newest.size)
            check_consistency(old.size, old.root, newest.size, newest.root, path)
            assert await log.root_of(session, old.size) == old.root


async def test_tiles_are_bytes_of_the_standard_and_never_change(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    await queue(database, merchants[0], *range(1, 257))
    await sequence(database, KEYS, NOON)
    partial, full = Tile(0, 0, 200), Tile(0, 0)
    async with database.read("test") as tx, tx.as_public() as session:
        before = await log.tile_body(session, partial, 256)
        whole = await log.tile_body(session, full, 256)
        above = await log.tile_body(session, Tile(1, 0, 1), 256)
        bundle = await log.tile_body(session, Tile(None, 0, 3), 256)
        assert await log.tile_body(session, Tile(0, 1, 1), 256) is None
        assert await log.tile_body(session, Tile(1, 0, 2), 256) is None
    assert before
    assert whole
    assert above
    assert bundle
    assert len(whole) == 8192
    assert whole.startswith(before)
    assert split_hashes(whole)[3] == leaf_hash(a_leaf(merchants[0], 4))
    assert above == (await _root(database, 256))
    assert bundle == b"".join(b"\x00\x20" + a_leaf(merchants[0], seq) for seq in (1, 2, 3))
    await queue(database, merchants[0], *range(257, 700))
    await sequence(database, KEYS, NOON)
    async with database.read("test") as tx, tx.as_public() as session:
        assert await log.tile_body(session, full, 699) == whole
        second = await log.tile_body(session, Tile(0, 1, 100), 699)
        assert second == b"".join(leaf_hash(a_leaf(merchants[0], seq)) for seq in range(WIDTH + 1, WIDTH + 101))
        assert len(await log.tile_body(session, Tile(1, 0, 2), 699) or b"") == 64


async def _root(database: Database, size: int) -> bytes:
    async with database.read("test") as tx, tx.as_public() as session:
        return await log.root_of(session, size)


async def test_of_several_sequencers_at_once_one_works_and_nothing_is_lost_or_doubled(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    one, two = merchants

    async def write(merchant_id: UUID) -> None:
        for seq in range(1, 41):
            await queue(database, merchant_id, seq)

    async def work() -> None:
        for _ in range(40):
            await sequence(database, KEYS, NOON)

    await asyncio.gather(write(one), write(two), work(), work(), work())
    await sequence_all(database, KEYS, NOON)
    async with database.read("test") as tx, tx.as_platform() as session:
        rows = (await session.execute(select(log_leaf).order_by(log_leaf.c.leaf_index))).all()
        assert [row.leaf_index for row in rows] == list(range(80))
        for merchant_id in merchants:
            assert [row.seq for row in rows if row.merchant_id == merchant_id] == list(range(1, 41))
        assert await session.scalar(select(func.count()).select_from(log_queue)) == 0


async def test_an_entry_that_is_missing_stops_its_merchant_and_nobody_else(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    one, two = merchants
    await queue(database, one, 1, 2, 4)
    await queue(database, two, 1)
    async with database.write("test") as tx, tx.as_platform() as session:
        done = await integrate(session, KEYS, NOON)
    assert done is not None
    assert (done.leaves, done.size, done.gaps) == (1, 1, (one,))
    await queue(database, two, 2)
    async with database.write("test") as tx, tx.as_platform() as session:
        again = await integrate(session, KEYS, NOON + timedelta(seconds=1))
    assert again is not None
    assert (again.leaves, again.size, again.gaps) == (1, 2, (one,))


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE platform.log_leaf SET leaf = decode(repeat('00', 32), 'hex') WHERE leaf_index = 299",
        "DELETE FROM platform.log_leaf WHERE leaf_index = 299",
        "UPDATE platform.log_tile SET root = decode(repeat('00', 32), 'hex')",
        "UPDATE platform.log_checkpoint SET root = decode(repeat('00', 32), 'hex')",
        "UPDATE platform.log_checkpoint SET signature = '— mall.example/log AAAAAAAA' || chr(10)",
        "DELETE FROM platform.log_checkpoint; DELETE FROM platform.log_leaf WHERE leaf_index > 100",
    ],
    ids=["leaf", "tail", "tile", "root", "signature", "head"],
)
async def test_a_log_that_is_not_what_was_signed_does_not_go_on(
    database: Database, logins: Logins, merchants: tuple[UUID, UUID], attack: str
) -> None:
    await queue(database, merchants[0], *range(1, 301))
    await sequence(database, KEYS, NOON)
    with psycopg.connect(logins.owner) as connection:
        connection.execute(attack.encode())
    await queue(database, merchants[1], 1)
    with pytest.raises(LogHalted):
        await sequence(database, KEYS, NOON)


async def test_a_key_of_another_log_does_not_go_on_with_this_one(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    await queue(database, merchants[0], 1)
    await sequence(database, KEYS, NOON)
    await queue(database, merchants[0], 2)
    for keys in (LogKeys.from_seeds("other.example/log", [bytes(32)]), LogKeys.from_seeds(KEYS.origin, [bytes(32)])):
        with pytest.raises(LogHalted):
            await sequence(database, keys, NOON)
    assert await sequence(database, LogKeys.from_seeds(KEYS.origin, [bytes(range(32)), bytes(32)]), NOON) == 1
    assert await sequence(database, LogKeys.from_seeds(KEYS.origin, [bytes(32)]), NOON) == 0


async def test_an_audit_event_has_its_leaf_too(database: Database, merchants: tuple[UUID, UUID]) -> None:
    event = uuid4()
    row = {"merchant_id": merchants[0], "kind": "audit_event", "event_id": event, "leaf": bytes(32), "booked_at": NOON}
    async with database.write("test") as tx, tx.as_platform() as session:
        await session.execute(insert(log_queue), row)
    assert await sequence(database, KEYS, NOON) == 1
