"""Lost entries come back from the merchant's own receipts, as they were; what proves nothing, changes nothing."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select

from merchantry.domain.note import Note
from merchantry.jobs import receipt_replay
from merchantry.jobs.restore import Restored
from merchantry.jobs.restored_work import RestoreRefused
from merchantry.jobs.sequencing import sequence_all
from merchantry.services import ledger, receipt
from merchantry.tables.merchant import ledger_entry
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.trust import Trust
from tenancy.database import Database
from tenancy.schemas import schema_of
from tests.backup.replaying import KILLED_AT
from tests.backup.safe import Safe, a_safe
from tests.builders import NOON, a_merchant, an_act
from tests.jobs.witnesses import KEYS
from tests.services.books import Shelf
from tests.services.stall import DAY

ROOT = Path(__file__).parents[2]
STRANGER = LogKeys.from_seeds(KEYS.origin, [bytes(31) + b"\7"])


async def receipts_of(database: Database, merchant_id: UUID, *, for_buyer: bool = False) -> dict[int, Any]:
    """Documents of all receipts that the merchant can have now, by ``seq``."""
    async with database.read("test") as tx:
        async with tx.as_merchant(merchant_id) as session:
            rows = (await session.execute(select(ledger_entry).order_by(ledger_entry.c.seq))).all()
            entries = [ledger.booked(row) for row in rows]
            known = await receipt.places(session, [each.seq for each in entries])
        async with tx.as_public() as public:
            made = await receipt.receipts(public, merchant_id, entries, known, for_buyer=for_buyer)
    return {seq: each.document() for seq, each in made.items()}


async def a_quarantine(
    database: Database, tmp_path: Path, keys: LogKeys = KEYS
) -> tuple[Safe, dict[int, Any], dict[str, int]]:
    """A merchant that lacks entries 3 to 5: two captures, and the release of an order that is there. Its receipts, and
    its balances before."""
    safe = await a_safe(database, tmp_path)
    [sold, _] = await safe.sell(2)
    made = safe.back_up()
    await safe.sell(2)
    await safe.stall.release(sold)
    before = await safe.stall.balances()
    await sequence_all(database, keys, NOON)
    receipts = await receipts_of(database, safe.merchant_id)
    done = await safe.restore(made)
    assert [each.seq for each in done.gaps if each.seq] == [3, 4, 5]
    return safe, receipts, before


async def replay(safe: Safe, *documents: Any, keys: LogKeys = KEYS) -> Restored:
    named = [(f"{number}.json", each) for number, each in enumerate(documents, start=1)]
    act = an_act("system:restore", at=safe.stall.now)
    trust = Trust(keys.verifiers)
    return await receipt_replay.replay(safe.database, safe.merchant_id, safe.slug, named, trust, act)


async def refused(safe: Safe, *documents: Any, keys: LogKeys = KEYS) -> str:
    """Why; nothing has changed then."""
    state = await safe.seqs(), await safe.stall.balances()
    with pytest.raises(RestoreRefused) as error:
        await replay(safe, *documents, keys=keys)
    assert (await safe.seqs(), await safe.stall.balances()) == state
    assert await safe.status() == "quarantined"
    return str(error.value)


async def test_lost_entries_come_back_as_they_were_and_only_what_no_receipt_holds_is_written_off(
    database: Database, tmp_path: Path
) -> None:
    safe, receipts, before = await a_quarantine(database, tmp_path)
    done = await replay(safe, receipts[5], receipts[3], receipts[1], receipts[4])
    assert done.status == "quarantined"
    assert {each.kind for each in done.gaps} == {"order"}
    assert await safe.seqs() == [1, 2, 3, 4, 5]
    assert await safe.stall.balances() == before
    assert await receipts_of(database, safe.merchant_id) == receipts
    assert {each.status for each in await safe.gaps() if each.kind == "entry"} == {"replayed"}
    case = await safe.case()
    for _ in range(2):
        await safe.vote(case, uuid4())
    assert (await safe.settle()).status == "active"
    assert (await safe.verified()).broken == ()
    assert await safe.stall.balances() == before
    await safe.sell()
    assert await safe.seqs() == [1, 2, 3, 4, 5, 6]
    assert (await safe.verified()).broken == ()


async def test_receipts_of_a_part_may_come_later_and_twice(database: Database, tmp_path: Path) -> None:
    safe, receipts, before = await a_quarantine(database, tmp_path)
    done = await replay(safe, receipts[3])
    assert [each.seq for each in done.gaps if each.seq] == [4, 5]
    await replay(safe, receipts[3], receipts[4], receipts[4], receipts[5])
    assert await safe.stall.balances() == before
    await replay(safe, receipts[4])
    assert await safe.seqs() == [1, 2, 3, 4, 5]


async def test_a_hole_between_receipts_is_named_and_nothing_is_half_done(database: Database, tmp_path: Path) -> None:
    safe, receipts, _ = await a_quarantine(database, tmp_path)
    said = await refused(safe, receipts[3], receipts[5])
    assert said == "2.json: entry 5 can't follow; the receipt of entry 4 is missing"


async def test_forged_receipts_are_refused_by_name(database: Database, tmp_path: Path) -> None:
    safe, receipts, _ = await a_quarantine(database, tmp_path)
    text = json.dumps(receipts[3])
    dearer = json.loads(text.replace("-10000", "-20000").replace("8750", "18750"))
    assert "what the entry says to its buyer" in await refused(safe, dearer)
    other_salt = {**receipts[3], "entry": {**receipts[3]["entry"], "salt": "0" * 64}}
    assert "what the entry says to its buyer" in await refused(safe, other_salt)
    assert "not canonical" in await refused(safe, _changed(receipts[3], lambda canonical: " " + canonical))
    assert "not of this log" in await refused(safe, {**receipts[3], "leaf_index": "0"})
    note = Note.parse(receipts[3]["checkpoint"])
    forged = Note(note.text, STRANGER.sign(note.text))
    assert "signed by none" in await refused(safe, {**receipts[3], "checkpoint": str(forged)})
    strange: tuple[Any, ...] = (None, [], "x", {}, {**receipts[3], "entry": {"canonical": "\ud800", "salt": "0" * 64}})
    for each in strange:
        assert "1.json: " in await refused(safe, each)


async def test_a_tree_that_the_logs_key_signed_elsewhere_is_not_this_log(database: Database, tmp_path: Path) -> None:
    safe, receipts, _ = await a_quarantine(database, tmp_path)
    assert "signed by none" in await refused(safe, receipts[3], keys=STRANGER)


async def test_receipts_of_another_merchant_and_of_buyers_are_refused(database: Database, tmp_path: Path) -> None:
    safe, _, _ = await a_quarantine(database, tmp_path)
    other = Shelf(database, await a_merchant(database))
    for day in range(3):
        await other.sell(1_000, NOON + day * DAY)
    await sequence_all(database, KEYS, NOON)
    theirs = await receipts_of(database, other.merchant.id)
    assert f"1.json: It is of merchant {other.merchant.id}" in await refused(safe, theirs[3])
    buyers = await receipts_of(database, safe.merchant_id, for_buyer=True)
    assert "a buyer's receipt" in await refused(safe, next(iter(buyers.values())))


async def test_where_the_books_would_not_be_right_everything_is_taken_back(database: Database, tmp_path: Path) -> None:
    safe, receipts, before = await a_quarantine(database, tmp_path)
    change = "UPDATE platform.platform_entry SET amount[1] = amount[1] {} 1, amount[2] = amount[2] {} 1 WHERE seq = 4"
    _change(database, change.format("+", "-"))
    said = await refused(safe, receipts[3], receipts[4], receipts[5])
    assert "With these entries the books would not be right" in said
    assert "entry 4" in said
    assert [each.seq for each in await safe.gaps() if each.seq and each.status == "open"] == [3, 4, 5]
    _change(database, change.format("-", "+"))
    await replay(safe, receipts[3], receipts[4], receipts[5])
    assert await safe.stall.balances() == before
    assert (await safe.verified()).broken == ()


async def test_books_that_are_not_right_already_are_not_added_to(database: Database, tmp_path: Path) -> None:
    safe, receipts, before = await a_quarantine(database, tmp_path)
    change = f"UPDATE {schema_of(safe.merchant_id)}.orders SET commission_minor = commission_minor {{}} 1"  # noqa: S608
    _change(database, change.format("+"))
    said = await refused(safe, receipts[3], receipts[4], receipts[5])
    assert "not right before anything is replayed" in said
    assert "an order's money is divided" in said
    _change(database, change.format("-"))
    await replay(safe, receipts[3], receipts[4], receipts[5])
    assert await safe.stall.balances() == before


async def test_only_a_quarantined_merchant_is_replayed(database: Database, tmp_path: Path) -> None:
    safe, receipts, _ = await a_quarantine(database, tmp_path)
    await safe.abandon()
    with pytest.raises(RestoreRefused, match="not quarantined"):
        await replay(safe, receipts[3])


async def test_where_a_statement_is_missing_too_receipts_do_not_do(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    [sold] = await safe.sell()
    await safe.stall.release(sold)
    made = safe.back_up()
    await Shelf(database, safe.stall.merchant).add_account()
    await Shelf(database, safe.stall.merchant).close(safe.stall.now + 8 * DAY)
    await sequence_all(database, KEYS, NOON)
    receipts = await receipts_of(database, safe.merchant_id)
    await safe.restore(made)
    said = await refused(safe, *receipts.values())
    [missing] = [each for each in await safe.gaps() if each.kind == "statement"]
    assert f"lacks a statement too ({missing.details['number']})" in said
    for command in ("replay", "recheck", "undo-restore"):
        assert f"merchantry merchant {command} {safe.slug}" in said


@pytest.mark.parametrize("place", KILLED_AT)
async def test_killed_anywhere_a_replay_is_whole_or_nothing_and_can_be_begun_again(
    database: Database, tmp_path: Path, place: str
) -> None:
    safe, receipts, before = await a_quarantine(database, tmp_path)
    held = await safe.seqs(), await safe.stall.balances()
    given = {
        "owner_url": database.logins.owner,
        "merchant": [str(safe.merchant_id), safe.slug],
        "receipts": [[f"{seq}.json", receipts[seq]] for seq in (3, 4, 5)],
        "at": safe.stall.now.isoformat(),
        "place": place,
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.backup.replaying"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    is_written = place == "after the commit"
    assert await safe.seqs() == ([1, 2, 3, 4, 5] if is_written else held[0])
    assert await safe.stall.balances() == (before if is_written else held[1])
    rechecked = await safe.settle()
    assert rechecked.status == "quarantined"
    assert {each.kind for each in rechecked.gaps} == ({"order"} if is_written else {"entry", "order"})
    if is_written:
        assert (await safe.verified()).broken == ()
    await replay(safe, receipts[3], receipts[4], receipts[5])
    assert await safe.seqs() == [1, 2, 3, 4, 5]
    assert await safe.stall.balances() == before
    assert (await safe.verified()).broken == ()


def _change(database: Database, statement: str) -> None:
    """As the owner of everything."""
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute(statement.encode())


def _changed(document: dict[str, Any], change: Any) -> dict[str, Any]:
    entry = {**document["entry"], "canonical": change(document["entry"]["canonical"])}
    return {**document, "entry": entry}
