"""Killed at any moment and started again, a witness never answers for two roots of one size, nor forgets a head."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.witness.conftest import a_witness
from tests.witness.paper_log import ORIGIN

ROOT = Path(__file__).parents[2]
TIMES = int(os.environ.get("KILL_TIMES", "0")) // 10 or 6
COMMAND = (sys.executable, "-m", "tests.witness.killed")


def test_a_killed_witness_has_cosigned_one_root_of_a_size_and_remembers_all_it_answered(tmp_path: Path) -> None:
    chance, answered = random.Random(6962), dict[int, set[str]]()
    for turn in range(TIMES):
        output = tmp_path / f"{turn}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen([*COMMAND, str(tmp_path)], cwd=ROOT, stdout=file)
            while not output.stat().st_size and process.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            process.wait()
        for line in output.read_text().splitlines():
            size, _, root = line.partition(" ")
            if len(root) == 64:  # the last line may be cut
                answered.setdefault(int(size), set()).add(root)
    assert answered
    assert all(len(roots) == 1 for roots in answered.values())
    with a_witness(tmp_path, "killed.example/witness").store.reading() as store:
        kept = {head.checkpoint.size: head.checkpoint.root.hex() for head in store.heads(ORIGIN, 100_000)}
    assert answered.items() <= {size: {root} for size, root in kept.items()}.items()
