"""Backups while others write, restores that are killed, drills, and backups that come round."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select

from merchantry.jobs import backing_up, drill, restore, restored_work
from merchantry.jobs.restore import File
from merchantry.jobs.tools import BackupPlan, Tools
from merchantry.jobs.worker import run_due
from merchantry.services import backup as backups
from merchantry.services.queue import JobKind
from merchantry.tables.blueprint import merchant_revisions
from merchantry.tables.platform import job
from tenancy import replacing
from tenancy.database import Database
from tenancy.schemas import schema_of
from tests.backup.safe import Safe, a_safe
from tests.builders import a_vault, an_act
from tests.tenancy.catalogue import facts


async def test_a_backup_under_running_sales_is_of_one_moment(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell()
    stop = asyncio.Event()

    async def sell() -> int:
        sold = 0
        while not stop.is_set():
            await safe.stall.sell()
            sold += 1
        return sold

    selling = [asyncio.create_task(sell()) for _ in range(2)]
    made = [await asyncio.to_thread(safe.back_up) for _ in range(4)]
    stop.set()
    assert sum(await asyncio.gather(*selling)) > 0
    for each in made:
        found = await drill.drill(database.logins, File(Path(each.stored_as), safe.ring))
        assert (found.broken, found.entries) == ((), each.last_seq)
    assert made[0].last_seq < made[-1].last_seq
    assert databases(database) == []


def databases(database: Database) -> list[str]:
    with psycopg.connect(database.logins.owner) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'drill%'").fetchall()
        return [row[0] for row in rows]


class Killed(BaseException):
    """The process is gone: nothing that would clean up runs."""


@pytest.mark.parametrize("when", ["while it loads", "before it is verified"])
async def test_a_restore_that_is_killed_leaves_what_there_was(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell()
    made = safe.back_up()
    await safe.sell()
    before = await safe.stall.balances()

    def die(done: int, total: int) -> None:
        if done == total // 2:
            raise Killed

    async def gone(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(restored_work.Work, "undo", gone)
        if when == "before it is verified":
            patched.setattr(restored_work.Work, "refuse_broken", gone)
        with pytest.raises(Killed):
            await safe.restore(made, progress=die if when == "while it loads" else lambda done, total: None)
    assert await safe.status() == "restoring"
    done = await restore.recover(database, safe.merchant_id, safe.slug, an_act(at=safe.stall.now))
    assert done.status == "active" == await safe.status()
    assert await safe.stall.balances() == before
    assert (await safe.verified()).broken == ()
    assert (await safe.restore(made)).status == "quarantined"
    assert (await safe.abandon()).status == "active"
    assert schemas(safe) == [schema_of(safe.merchant_id)]
    await safe.sell()
    assert await safe.seqs() == [1, 2, 3]


def schemas(safe: Safe) -> list[str]:
    with psycopg.connect(safe.database.logins.owner) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", [f"%{safe.merchant_id.hex}"]
        ).fetchall()
        return [row[0] for row in rows]


async def test_a_replay_of_books_that_went_another_way_is_refused(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    await safe.sell()
    made = safe.back_up()
    await safe.sell()
    newer = safe.back_up()
    await safe.restore(made)
    with psycopg.connect(database.logins.owner) as connection:
        table = f"{schema_of(safe.merchant_id)}.ledger_entry"
        connection.execute(f"UPDATE {table} SET occurred_at = occurred_at - interval '1 s'".encode())  # noqa: S608
    with pytest.raises(restored_work.RestoreRefused, match="entry 1"):
        await safe.restore(newer, continues=True)
    assert await safe.status() == "quarantined"
    assert (await safe.abandon()).status == "active"


async def test_a_backup_of_an_older_version_is_migrated(database: Database, tmp_path: Path) -> None:
    safe = await a_safe(database, tmp_path)
    head, older = merchant_revisions().head, "0004"
    with psycopg.connect(database.logins.owner) as connection:
        schema = schema_of(safe.merchant_id)
        expected = facts(connection, schema)
        replacing.drop(connection, schema)
        replacing.make_schema(connection, schema, merchant_revisions().render("base", older))
        names = [(name,) for name in ("order", "entry", "statement", "payout", "invoice", "credit_note")]
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {schema}.counter VALUES (%s, 0)".encode(), names)  # noqa: S608
        connection.execute("UPDATE platform.merchant SET version = %s WHERE id = %s", [older, safe.merchant_id])
    made = safe.back_up()
    assert made.version == older
    done = await safe.restore(made)
    assert (done.status, [each.kind for each in done.gaps]) == ("quarantined", ["product"])
    await safe.vote(await safe.case(), uuid4())
    await safe.vote(await safe.case(), uuid4())
    assert (await safe.settle()).status == "active"
    with psycopg.connect(database.logins.owner) as connection:
        assert facts(connection, schema) == expected
        assert connection.execute("SELECT DISTINCT version FROM platform.merchant").fetchall() == [(head,)]


async def test_every_merchant_is_backed_up_once_a_day_and_the_latest_are_kept(
    database: Database, tmp_path: Path
) -> None:
    safe = await a_safe(database, tmp_path)
    at = datetime.now(UTC)
    clock = [at + timedelta(days=2)]
    plan = BackupPlan(tmp_path, 2)
    tools = Tools(database, safe.stall.gateway, lambda: clock[0], a_vault(), backups=plan)
    for _ in range(3):
        assert await backing_up.ask_for_due(tools) == 1
        assert await run_due(tools, clock[0], kinds=[JobKind.BACKUP_TAKE]) == 1
    async with database.read("test") as tx, tx.as_platform() as session:
        kept = await backups.of_merchant(session, safe.merchant_id, limit=10)
        assert (await session.execute(select(job.c.kind))).all() == []
        assert await backups.too_old(session, at + timedelta(hours=1), backups.ALARM_AFTER) == []
        assert len(await backups.too_old(session, at + timedelta(hours=27), backups.ALARM_AFTER)) == 1
    assert sorted(Path(each.stored_as) for each in kept) == sorted(tmp_path.glob("*.mbackup"))  # noqa: ASYNC240
    assert len(kept) == 2
    made, failures = await backing_up.take_all(database, tmp_path, safe.ring, "test", younger_than=timedelta(hours=1))
    assert (made, failures) == (0, [])
    made, failures = await backing_up.take_all(database, tmp_path, safe.ring, "test", younger_than=timedelta(0))
    assert (made, failures) == (1, [])
