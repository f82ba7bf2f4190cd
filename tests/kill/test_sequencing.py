"""Sequencers that are killed under load lose no leaf, double none, and leave the right root.

``SEQUENCER_KILLS=300`` (``make kill``) kills as many; the suite takes a sample.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tenancy.database import Database
from tests.builders import a_merchant

KILLS = int(os.environ.get("SEQUENCER_KILLS", "12"))
ROOT = Path(__file__).parents[2]


async def test_killed_again_and_again_the_log_is_dense_whole_and_has_the_right_root(
    database: Database, tmp_path: Path
) -> None:
    merchants = [str((await a_merchant(database)).id) for _ in range(4)]
    given = {
        "owner_url": database.logins.owner,
        "merchants": merchants,
        "acknowledged": str(tmp_path / "acknowledged"),
        "times": KILLS,
        "seed": 7,
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.kill.sequencing"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    result = json.loads(done.stdout.splitlines()[-1])
    print({name: value for name, value in result.items() if name != "wrong"})  # noqa: T201
    assert result["wrong"] == []
    assert result["ended"] == {"killed": KILLS}
    assert result["entries"] >= result["acknowledged"] > 0
    assert result["leaves"] > result["entries"]
    assert result["heads"] > 1
