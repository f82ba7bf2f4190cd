"""Peers that run on Node: each a directory of ``peers`` with its script, its package.json and its lock."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson

from benchmarks.measuring import told
from benchmarks.serving import wait_for

PEERS = Path(__file__).parent / "peers"
START_SECONDS, STOP_SECONDS = 300, 30


@contextmanager
def peer(name: str, home: Path, settings: Mapping[str, str]) -> Iterator[Path]:
    """Serve a peer while the block runs, settings in its environment; gives the path of its Unix socket.

    Installs it from its lock first. Its output is ``home``'s ``name.log``. Raises RuntimeError where it doesn't start.
    """
    directory, socket, log = _installed(name), home / f"{name}.sock", home / f"{name}.log"
    environment = {**os.environ, "NODE_ENV": "production", **settings, "SOCKET": str(socket)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [directory / "node_modules/.bin/node", "server.mjs"],
            cwd=directory, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_for(socket, process, log, START_SECONDS)
        yield socket
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def versions(name: str, packages: tuple[str, ...]) -> str:
    """The versions of a peer's packages, as they are installed, and of its Node."""
    modules = PEERS / name / "node_modules"
    found = [f"{each} {orjson.loads((modules / each / 'package.json').read_bytes())['version']}" for each in packages]
    node = subprocess.run([modules / ".bin/node", "--version"], check=True, capture_output=True, text=True)
    return ", ".join([*found, f"Node {node.stdout.strip().removeprefix('v')}"])


def _installed(name: str) -> Path:
    directory = PEERS / name
    lock, done = directory / "package-lock.json", directory / "node_modules/.package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        told(f"installing {name}")
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return directory
