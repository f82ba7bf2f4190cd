"""What a sequencer remembers changes nothing of what it signs, and is given up as soon as it may no longer be so."""

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.growing_tree import GrowingTree
from merchantry.domain.merkle import leaf_hash
from merchantry.jobs.sequencing import sequence
from merchantry.services import log
from merchantry.services.log_frontier import REREAD_AFTER, Memory
from merchantry.services.log_sequencing import LogHalted, integrate
from merchantry.services.log_verification import verify_log
from tenancy.database import Database
from tenancy.logins import Logins
from tests.builders import NOON
from tests.services.test_log import KEYS, a_leaf, merchants, queue
from tests.statements import sent_to

__all__ = ["merchants"]


async def head(database: Database) -> log.Head:
    async with database.read("test") as tx, tx.as_public() as session:
        found = await log.head(session)
    assert found is not None
    return found


def tree_of(merchant_id: UUID, size: int) -> GrowingTree:
    tree = GrowingTree()
    for seq in range(1, size + 1):
        tree.append(leaf_hash(a_leaf(merchant_id, seq)))
    return tree


async def test_from_round_to_round_it_signs_what_is_stored(database: Database, merchants: tuple[UUID, UUID]) -> None:
    memory, size = Memory(), 0
    for count in (1, 2, 253, 1, 255, 256, 1, 600):
        await queue(database, merchants[0], *range(size + 1, size + count + 1))
        assert await sequence(database, KEYS, NOON, memory) == count
        size += count
        assert (await head(database)).root == tree_of(merchants[0], size).root
    assert (await verify_log(database)).broken == ()


async def test_two_that_remember_and_take_turns_go_on_with_each_others_heads(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    memories = Memory(), Memory()
    for seq in range(1, 40):
        await queue(database, merchants[0], seq)
        assert await sequence(database, KEYS, NOON, memories[seq % 3 % 2]) == 1
    assert (await head(database)).root == tree_of(merchants[0], 39).root
    assert (await verify_log(database)).broken == ()


async def test_a_round_that_was_rolled_back_is_not_remembered(database: Database, merchants: tuple[UUID, UUID]) -> None:
    memory = Memory()
    await queue(database, merchants[0], 1, 2, 3)
    await sequence(database, KEYS, NOON, memory)
    await queue(database, merchants[0], 4, 5)

    async def fail() -> None:
        async with database.write("test") as tx, tx.as_platform() as session:
            assert await integrate(session, KEYS, NOON, memory=memory) is not None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await head(database)).size == 3
    assert await sequence(database, KEYS, NOON, memory) == 2
    assert (await head(database)).root == tree_of(merchants[0], 5).root


async def test_what_was_rewritten_meanwhile_stops_the_log_within_a_minute_and_signs_nothing_new(
    database: Database, logins: Logins, merchants: tuple[UUID, UUID]
) -> None:
    memory = Memory()
    await queue(database, merchants[0], 1, 2, 3)
    await sequence(database, KEYS, NOON, memory)
    with psycopg.connect(logins.owner) as connection:
        connection.execute("UPDATE platform.log_leaf SET leaf = decode(repeat('77', 32), 'hex') WHERE leaf_index = 1")
    await queue(database, merchants[0], 4)
    await sequence(database, KEYS, NOON, memory)
    assert (await head(database)).root == tree_of(merchants[0], 4).root  # it continues what was signed
    await queue(database, merchants[0], 5)
    with pytest.raises(LogHalted):
        await sequence(database, KEYS, NOON + REREAD_AFTER, memory)
    assert (await head(database)).size == 4


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM platform.log_leaf WHERE leaf_index = 2",
        "INSERT INTO platform.log_leaf SELECT 3, merchant_id, kind, 9, NULL, leaf FROM platform.log_leaf LIMIT 1",
        "UPDATE platform.log_checkpoint SET root = decode(repeat('77', 32), 'hex')",
        "UPDATE platform.log_checkpoint SET signature = 'nothing'",
        "UPDATE platform.log_checkpoint SET size = 4",
        "DELETE FROM platform.log_checkpoint",
    ],
    ids=["shortened", "lengthened", "another_root", "another_signature", "another_size", "no_head"],
)
async def test_a_head_that_is_not_the_one_it_remembers_is_looked_into_at_once(
    database: Database, logins: Logins, merchants: tuple[UUID, UUID], change: str
) -> None:
    memory = Memory()
    await queue(database, merchants[0], 1, 2, 3)
    await sequence(database, KEYS, NOON, memory)
    with psycopg.connect(logins.owner) as connection:
        connection.execute(change.encode())
    await queue(database, merchants[0], 4)
    for _ in range(2):
        with pytest.raises(LogHalted):
            await sequence(database, KEYS, NOON + timedelta(seconds=1), memory)


async def test_a_round_takes_the_same_five_statements_for_one_leaf_and_for_a_hundred(
    database: Database, merchants: tuple[UUID, UUID]
) -> None:
    memory, counts, size = Memory(), list[int](), 0
    for count in (1, 1, 100):
        await queue(database, merchants[0], *range(size + 1, size + count + 1))
        size += count
        with sent_to(database) as sent:
            assert await sequence(database, KEYS, NOON, memory) == count
        counts.append(sum("log_" in each or "advisory" in each for each in sent))
    assert counts[1:] == [5, 5]


@given(st.integers(min_value=0, max_value=70_000))
def test_a_tree_asks_for_no_other_nodes_than_it_names(size: int) -> None:
    asked = []

    def hash_of(node: object) -> bytes:
        asked.append(node)
        return bytes(32)

    GrowingTree.resume(size, hash_of)
    assert asked == GrowingTree.nodes(size)
