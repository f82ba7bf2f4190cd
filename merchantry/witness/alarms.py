"""Telling people of evidence: a line in the log, a command, a webhook. What could not be told is told again."""

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import structlog

from merchantry.witness.store import Found
from merchantry.witness.witness import Witness

COMMAND_SECONDS: Final = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Alarms:
    """Where evidence is told. ``command`` gets it as JSON on its standard input, ``url`` as the body of a POST."""

    witness: Witness
    client: httpx.Client
    command: str | None = None
    url: str | None = None

    def tell(self) -> int:
        """Tell what nobody was told of yet. Returns how much there was."""
        with self.witness.store.reading() as store:
            untold = store.evidence(untold=True)
        for each in untold:
            _log(each)
            if self._command(each) and self._webhook(each):
                with self.witness.store.writing() as store:
                    store.mark_told([each.id], self.witness.clock())
        return len(untold)

    def _command(self, found: Found) -> bool:
        if self.command is None:
            return True
        try:
            words = shlex.split(self.command)
            done = subprocess.run(words, input=_body(self.witness, found), timeout=COMMAND_SECONDS, check=False)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            log.error("witness.alarm_command_failed", error=str(error))
            return False
        if done.returncode:
            log.error("witness.alarm_command_failed", status=done.returncode)
        return not done.returncode

    def _webhook(self, found: Found) -> bool:
        if self.url is None:
            return True
        headers = {"content-type": "application/json"}
        try:
            self.client.post(self.url, content=_body(self.witness, found), headers=headers).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.error("witness.alarm_webhook_failed", error=str(error))
            return False
        return True


def _log(found: Found) -> None:
    log.critical(
        "witness.evidence", kind=found.evidence.kind.value, origin=found.origin, source=found.source, evidence=found.id
    )


def _body(witness: Witness, found: Found) -> bytes:
    document: dict[str, Any] = {"witness": witness.verifier.name, "origin": found.origin, "source": found.source}
    return json.dumps(document | found.evidence.document()).encode()


def lines(found: Sequence[Found]) -> list[str]:
    """What a person reads of evidence."""
    return [
        f"{each.id}  {each.found_at.isoformat()}  {each.evidence.kind.value:9}  {_sizes(each)}  {each.origin}, "
        f"from {each.source}"
        for each in found
    ]


def _sizes(found: Found) -> str:
    first, second = (note.text.split("\n")[1] for note in (found.evidence.first, found.evidence.second))
    return f"heads of {first} and {second}"
