"""Revisions run over all merchants: in parallel, past locks, never twice, and on after any interruption."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from merchantry.tables.blueprint import platform_revisions
from tenancy.logins import Logins
from tenancy.migrations import (
    Pace,
    UnknownVersion,
    migrate_merchants,
    migrate_platform,
    platform_version,
    versions,
    waves,
)
from tenancy.read_only import make_read_only
from tenancy.schemas import MARK, schema_of
from tests.tenancy.stalls import revisions, some_stalls, take

ADD = f"ALTER TABLE {MARK}.takings ADD COLUMN note text CHECK (note <> '50% off')"
POSITIVE = f"ALTER TABLE {MARK}.takings ADD CONSTRAINT takings_are_positive CHECK (amount_minor > 0)"
ROOT = Path(__file__).parents[2]
KILLED = """
import os, sys
from pathlib import Path
from tenancy.migrations import Pace, Revisions, migrate_merchants
def progress(done, total):
    if done == 5:
        os._exit(9)
migrate_merchants(sys.argv[1], Revisions(Path(sys.argv[2])), pace=Pace(connections=2), progress=progress)
"""


def schemas_with(logins: Logins, column: str) -> int:
    with psycopg.connect(logins.owner) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relname = 'takings'"
            " WHERE attname = %s",
            [column],
        ).fetchone()
    return int(str(row and row[0]))


def test_twenty_merchants_one_of_them_locked_are_all_migrated(logins: Logins, tmp_path: Path) -> None:
    stalls = some_stalls(logins, 20)
    line = revisions(tmp_path, [ADD])
    seen: list[tuple[int, int]] = []
    with psycopg.connect(logins.owner) as busy:
        busy.execute(f"LOCK TABLE {schema_of(stalls[9])}.takings IN ROW EXCLUSIVE MODE".encode())
        release = threading.Timer(0.15, busy.rollback)
        release.start()
        pace = Pace(lock_timeout_ms=20)
        outcome = migrate_merchants(logins.owner, line, pace=pace, progress=lambda *step: seen.append(step))
        release.join()
    assert (outcome.migrated, outcome.failed, outcome.stopped) == (20, {}, False)
    assert outcome.retries > 0
    assert seen[-1] == (20, 20)
    assert versions(logins.owner) == {"0002": sorted(f"stall-{number}" for number in range(20))}
    assert schemas_with(logins, "note") == 20
    assert migrate_merchants(logins.owner, line).migrated == 0


def test_a_table_that_stays_locked_is_reported_and_the_others_go_on_within_the_budget(
    logins: Logins, tmp_path: Path
) -> None:
    stalls = some_stalls(logins, 4)
    line = revisions(tmp_path, [ADD])
    pace = Pace(lock_timeout_ms=5, attempts=2, error_budget=1)
    with psycopg.connect(logins.owner) as busy:
        busy.execute(f"LOCK TABLE {schema_of(stalls[1])}.takings IN ACCESS SHARE MODE".encode())
        outcome = migrate_merchants(logins.owner, line, pace=pace)
    assert (outcome.migrated, outcome.retries, outcome.stopped) == (3, 2, False)
    assert "locked" in outcome.failed[schema_of(stalls[1])]
    assert versions(logins.owner)["0001"] == ["stall-1"]
    assert migrate_merchants(logins.owner, line).migrated == 1


def test_a_killed_run_is_resumed_and_no_merchant_is_migrated_twice(logins: Logins, tmp_path: Path) -> None:
    some_stalls(logins, 20)
    line = revisions(tmp_path, [ADD])
    command = [sys.executable, "-c", KILLED, logins.owner, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode == 9
    done = schemas_with(logins, "note")
    assert 5 <= done <= 20
    assert migrate_merchants(logins.owner, line).failed == {}
    assert (schemas_with(logins, "note"), list(versions(logins.owner))) == (20, ["0002"])


def test_two_runs_at_once_share_the_work(logins: Logins, tmp_path: Path) -> None:
    some_stalls(logins, 20)
    line = revisions(tmp_path, [ADD])
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(migrate_merchants, logins.owner, line, pace=Pace(connections=2)) for _ in range(2)]
        outcomes = [run.result() for run in runs]
    assert sum(outcome.migrated for outcome in outcomes) == 20
    assert [outcome.failed for outcome in outcomes] == [{}, {}]
    assert schemas_with(logins, "note") == 20


def test_past_the_error_budget_the_run_stops_and_what_failed_is_unchanged(logins: Logins, tmp_path: Path) -> None:
    stalls = some_stalls(logins, 8)
    take(logins, stalls[0], 1, -5)
    line = revisions(tmp_path, [ADD, POSITIVE])
    stopped = migrate_merchants(logins.owner, line)
    assert (stopped.migrated, stopped.stopped) == (0, True)
    assert "takings_are_positive" in stopped.failed[schema_of(stalls[0])]
    assert schemas_with(logins, "note") == 0
    lenient = migrate_merchants(logins.owner, line, pace=Pace(error_budget=1))
    assert (lenient.migrated, list(lenient.failed), lenient.stopped) == (7, [schema_of(stalls[0])], False)
    assert versions(logins.owner)["0001"] == ["stall-0"]


def test_merchants_at_different_versions_all_come_to_the_newest(logins: Logins, tmp_path: Path) -> None:
    stalls = some_stalls(logins, 3)
    assert migrate_merchants(logins.owner, revisions(tmp_path / "old", [ADD])).migrated == 3
    with psycopg.connect(logins.owner) as connection:
        connection.execute(f"ALTER TABLE {schema_of(stalls[1])}.takings DROP COLUMN note".encode())
        connection.execute("UPDATE platform.merchant SET version = '0001' WHERE slug = 'stall-1'")
    assert migrate_merchants(logins.owner, revisions(tmp_path / "new", [ADD, POSITIVE])).migrated == 3
    assert (list(versions(logins.owner)), schemas_with(logins, "note")) == (["0003"], 3)


def test_a_closed_merchant_is_migrated_and_stays_read_only(logins: Logins, tmp_path: Path) -> None:
    closed, active = some_stalls(logins, 2)
    with psycopg.connect(logins.owner) as connection:
        make_read_only(connection, schema_of(closed))
        connection.execute("UPDATE platform.merchant SET status = 'closed' WHERE id = %s", [closed])
    grant = "GRANT INSERT, DELETE ON __merchant__.takings TO __merchant__"
    assert migrate_merchants(logins.owner, revisions(tmp_path, [grant])).migrated == 2
    with psycopg.connect(logins.owner) as connection:
        rights = {
            stall: [
                connection.execute("SELECT has_table_privilege(%s, %s, %s)", [role, f"{role}.takings", what]).fetchone()
                for what in ("SELECT", "INSERT", "DELETE")
            ]
            for stall, role in ((closed, schema_of(closed)), (active, schema_of(active)))
        }
    assert rights == {closed: [(True,), (False,), (False,)], active: [(True,), (True,), (True,)]}


def test_a_version_that_this_program_does_not_have_is_refused(logins: Logins, tmp_path: Path) -> None:
    some_stalls(logins, 2)
    line = revisions(tmp_path, [ADD])
    with psycopg.connect(logins.owner) as connection:
        connection.execute("UPDATE platform.merchant SET version = '9999' WHERE slug = 'stall-1'")
    with pytest.raises(UnknownVersion, match="9999"):
        migrate_merchants(logins.owner, line)
    assert schemas_with(logins, "note") == 0
    with psycopg.connect(logins.owner) as connection:
        connection.execute("UPDATE platform.schema_version SET version = '9999'")
    with pytest.raises(UnknownVersion):
        migrate_platform(logins.owner, platform_revisions())


def test_what_is_rendered_keeps_percent_signs_and_the_symbolic_schema(tmp_path: Path) -> None:
    line = revisions(tmp_path, [ADD])
    assert "'50% off'" in line.render("0001")
    assert MARK in line.render("0001")
    assert line.render("0002").strip() == ""
    assert "SELECT 1" in line.render("base")
    with pytest.raises(UnknownVersion):
        line.render("0003")


def test_the_platform_is_migrated_once_and_whole(empty_logins: Logins) -> None:
    with psycopg.connect(empty_logins.owner) as connection:
        assert platform_version(connection) == "base"
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(migrate_platform, empty_logins.owner, platform_revisions()) for _ in range(2)]
        assert sorted(run.result() for run in runs) == [False, True]
    with psycopg.connect(empty_logins.owner) as connection:
        assert platform_version(connection) == platform_revisions().head
        assert connection.execute("SELECT time_zone FROM platform.mall").fetchall() == [("UTC",)]


def test_a_platform_revision_that_fails_leaves_the_old_version(logins: Logins, tmp_path: Path) -> None:
    applied = ["SELECT 1"] * (int(platform_revisions().head) - 1)
    line = revisions(tmp_path, [*applied, "CREATE TABLE platform.half (n int)", "SELECT 1/0"])
    with pytest.raises(errors.DivisionByZero):
        migrate_platform(logins.owner, line)
    with psycopg.connect(logins.owner) as connection:
        assert platform_version(connection) == platform_revisions().head
        assert connection.execute("SELECT to_regclass('platform.half')").fetchone() == (None,)


def test_waves_are_one_then_a_hundredth_then_all(logins: Logins) -> None:
    merchants = [(stall, "0001") for stall in some_stalls(logins, 3)] * 100
    assert [len(wave) for wave in waves(merchants)] == [1, 3, 296]
    assert [len(wave) for wave in waves(merchants[:2])] == [1, 1]
    assert waves([]) == []
