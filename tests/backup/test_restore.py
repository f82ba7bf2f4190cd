"""A merchant restored: books, log and platform agree, or it is quarantined with the gap named entry by entry."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.exc import ProgrammingError

from merchantry.domain.errors import CheckoutRejected, VotedAlready
from merchantry.domain.ledger_audit import LedgerAudit
from merchantry.jobs.export import write_ledger
from tenancy.database import Database
from tests.backup.safe import a_safe
from tests.services.books import Shelf


async def test_a_restore_without_a_gap_gives_back_what_was_there(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell(3)
    before = await safe.stall.balances()
    made = safe.back_up()
    done = await safe.restore(made)
    assert (done.status, done.gaps) == ("active", ())
    assert await safe.stall.balances() == before
    assert (await safe.verified()).broken == ()
    await safe.sell()
    assert (await safe.verified()).broken == ()


async def test_a_restore_of_an_older_backup_names_exactly_what_came_later(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell(2)
    made = safe.back_up()
    later = await safe.sell(2)
    newer = safe.back_up()
    done = await safe.restore(made)
    assert done.status == "quarantined" == await safe.status()
    assert [(each.kind, each.seq) for each in done.gaps if each.seq] == [("entry", 3), ("entry", 4)]
    assert [each.subject for each in done.gaps if each.kind == "order"] == [str(each) for each in later]
    done = await safe.restore(newer, continues=True)
    assert (done.status, done.gaps) == ("active", ())
    assert {each.status for each in await safe.gaps()} == {"replayed"}
    assert (await safe.verified()).broken == ()
    await safe.sell()
    assert await safe.stall.kinds() == ["capture"] * 5


async def test_two_people_write_a_gap_off_and_one_can_not(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell(2)
    made = safe.back_up()
    await safe.sell(2)
    await safe.restore(made)
    case = await safe.case()
    first, second = uuid4(), uuid4()
    await safe.vote(case, first)
    with pytest.raises(VotedAlready):
        await safe.vote(case, first)
    assert (await safe.settle()).status == "quarantined"
    await safe.vote(case, second)
    assert await safe.stall.work() >= 1
    assert await safe.status() == "active"
    found = await safe.verified()
    assert found.broken == ()
    assert await safe.stall.kinds() == ["capture", "capture", "adjustment"]
    await safe.sell()
    assert (await safe.verified()).broken == ()
    assert await safe.seqs() == [1, 2, 5, 6]
    assert (await safe.stall.balances())["platform_commission"] == 5 * 1250
    [order] = [each for each in await safe.numbers() if each.endswith("000005")]
    assert order


async def test_nobody_writes_in_quarantine_and_its_jobs_wait(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    [sold] = await safe.sell()
    made = safe.back_up()
    await safe.sell()
    await safe.restore(made)
    with pytest.raises(ProgrammingError):
        await safe.stall.ship(sold)
    with pytest.raises(CheckoutRejected):
        await safe.sell()
    safe.stall.now += timedelta(days=60)
    assert await safe.stall.work() == 0
    undone = await safe.abandon()
    assert undone.status == "active"
    assert (await safe.verified()).broken == ()
    await safe.sell()
    assert await safe.seqs() == [1, 2, 3]


async def test_what_was_paid_out_and_lost_is_not_paid_out_again(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    shelf = Shelf(database, safe.stall.merchant)
    await shelf.add_account()
    [sold] = await safe.sell()
    await safe.stall.release(sold)
    made = safe.back_up()
    safe.stall.now += timedelta(days=8)
    await shelf.close(safe.stall.now)
    assert shelf_total(await shelf.balances()) == {"in_payout": 8_750}
    done = await safe.restore(made)
    assert {each.kind for each in done.gaps} == {"entry", "statement"}
    case = await safe.case()
    for _ in range(2):
        await safe.vote(case, uuid4())
    done = await safe.settle()
    assert done.status == "active"
    assert shelf_total(await shelf.balances()) == {"in_payout": 8_750}
    assert (await safe.verified()).broken == ()
    safe.stall.now += timedelta(days=8)
    closed = await shelf.close(safe.stall.now)
    assert not closed.payouts
    assert await safe.counter("statement") >= 2


def shelf_total(balances: dict[str, int]) -> dict[str, int]:
    """What the merchant has, and what is on its way."""
    return {name: balances[name] for name in ("merchant_available", "in_payout") if balances.get(name)}


async def test_an_exported_ledger_names_what_was_written_off_and_no_other_hole(
    database: Database, tmp_path: Path
) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell(2)
    made = safe.back_up()
    await safe.sell(2)
    await safe.restore(made)
    case = await safe.case()
    for _ in range(2):
        await safe.vote(case, uuid4())
    await safe.settle()
    await safe.sell()
    file = tmp_path / "ledger.jsonl"
    await write_ledger(database, safe.merchant_id, file)
    lines = file.read_bytes().splitlines()
    audit = audited(lines)
    assert audit.accepted == [f"entries 3 to 4: lost by a restore and written off by entry 5, case {case.id}"]
    assert audit.broken == ["the log has none of these entries"]
    hidden = audited([lines[0], *lines[2:]])
    assert hidden.accepted == [f"entries 3 to 4: lost by a restore and written off by entry 5, case {case.id}"]
    assert "entry 5: entry 2 should come next" in hidden.broken


def audited(lines: list[bytes]) -> LedgerAudit:
    """The file's lines, without a log."""
    audit = LedgerAudit()
    for line in lines:
        audit.add(line)
    audit.finish()
    return audit
