"""The API as a process that can be killed: ``merchantry serve``, forked from one that has imported everything."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import httpx

import graphql_api.server
from merchantry.cli.main import app
from merchantry.cli.serving import listen

STARTS_WITHIN_SECONDS = 60.0
QUERY = """mutation ($input: {input}!) {{ {name}(input: $input) {{
  __typename ... on {done} {{ {what} {{ id }} }} ... on Problem {{ message }} }} }}"""
MUTATIONS = {
    "settlementRun": ("SettlementRunInput", "SettlementRunStarted", "run"),
    "payoutRelease": ("PayoutInput", "PayoutReleased", "payout"),
    "payoutRetry": ("PayoutInput", "PayoutRetried", "payout"),
    "payoutResolve": ("PayoutResolveInput", "PayoutResolved", "payout"),
    "refundCreate": ("RefundCreateInput", "RefundCreated", "refund"),
}
"""The input, what is answered where it is done, and what of."""

DONE = {done for _, done, _ in MUTATIONS.values()}

Answer = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where the API finds its data, and who asks."""

    owner_url: str
    data_dir: str
    master_keys: str
    token: str


class Server:
    """One life of the API, with nothing but its clock set. ``prepare`` runs in its process first."""

    def __init__(self, place: Place, now: datetime, prepare: Callable[[], None] = lambda: None) -> None:
        self._place = place
        while not self._starts(now, prepare):  # somebody else has taken the port meanwhile
            pass

    def _starts(self, now: datetime, prepare: Callable[[], None]) -> bool:
        with listen("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        self.pid = os.fork()
        if self.pid == 0:
            _serve(self._place, port, now, prepare)
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError("the API did not start")
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return False
            time.sleep(0.02)
        return True

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/health/live", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, name: str, given: dict[str, Any]) -> Answer | None:
        """What a mutation answers; None where nobody answered."""
        kind, done, what = MUTATIONS[name]
        query = QUERY.format(input=kind, name=name, done=done, what=what)
        body = {"query": query, "variables": {"input": given}}
        headers = {"Authorization": f"Bearer {self._place.token}"}
        try:
            answer = httpx.post(f"{self._url}/graphql", json=body, headers=headers, timeout=60).json()
        except httpx.TransportError:
            return None
        found: Answer = (answer.get("data") or {}).get(name) or {"__typename": "Error", "message": json.dumps(answer)}
        return found

    def kill(self) -> None:
        """It is gone now, whether it was before or not."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _serve(place: Place, port: int, now: datetime, prepare: Callable[[], None]) -> None:
    """In the child: the command as its users run it, at a moment of the story. Never returns."""
    build = graphql_api.server.build_app
    # What serves imports it by its name, when it is called.
    vars(graphql_api.server)["build_app"] = partial(build, clock=lambda: now)
    os.environ["MERCHANTRY_MASTER_KEYS"] = place.master_keys
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    prepare()
    words = ["serve", "--port", str(port), "--production", "--database-url", place.owner_url]
    try:
        app([*words, "--data-dir", place.data_dir])
    finally:
        os._exit(1)
