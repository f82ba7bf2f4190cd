"""The command as its users run it: in this process for what is short, as a process of its own for what serves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from merchantry.cli.main import app
from tenancy.logins import Logins

COMMAND = Path(sys.executable).with_name("merchantry")


@dataclass
class Shell:
    """Runs commands on one database, from one data directory."""

    logins: Logins
    data_dir: Path

    def run(self, *words: str) -> Result:
        """What a command answered, in whatever way it ended."""
        place = ["--database-url", self.logins.owner, "--data-dir", str(self.data_dir)]
        return CliRunner().invoke(app, [*words, *place], env={"DATABASE_URL": None})

    def done(self, *words: str) -> str:
        """What a command printed that must succeed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout


@dataclass
class Running:
    """A command that serves, with what it has printed so far."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def printed(self, text: str, seconds: float) -> str:
        """Wait until it prints this; returns all that it printed."""

        def is_there() -> bool:
            assert self.process.poll() is None, self.errors.read_text()
            return text in self.output.read_text() + self.errors.read_text()

        assert until(is_there, seconds), self.errors.read_text()
        return self.output.read_text()

    def ends_by(self, number: signal.Signals, seconds: float = 10) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def running(place: Path, *words: str, **environment: str) -> Iterator[Running]:
    """Start a command in a directory; it is killed at the end of the block if it is still there."""
    output, errors = place / "output.txt", place / "errors.txt"
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [COMMAND, *words], cwd=place, stdout=out, stderr=err, env={**inherited, **environment}
        )
    try:
        yield Running(process, output, errors)
    finally:
        process.kill()
        process.wait()


def until(happened: Callable[[], bool], seconds: float, *, every: float = 0.05) -> bool:
    """Whether it happened in time; looked at every so many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
