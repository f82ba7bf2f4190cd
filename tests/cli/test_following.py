"""A witness that nobody can reach, beside a whole server: it follows the log, and what it checks is confirmed."""

import json
import re
import signal
from pathlib import Path

import httpx

from merchantry.domain.note import Note, VerifierKey
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.signing import cosigned
from tests.cli.running import Shell, running, until
from tests.cli.test_serving import address_of, place_of
from tests.cli.test_witness import address_of as witness_at
from tests.cli.test_witness import init


def test_what_a_follower_has_checked_is_confirmed_with_its_cosignature(shell: Shell, tmp_path: Path) -> None:
    shell.data_dir.mkdir()
    log_key = str(LogKeys.load_or_create(shell.data_dir).verifiers[0])
    homes = {name: tmp_path / name for name in ("reached", "follower", "stranger", "server")}
    for home in homes.values():
        home.mkdir()
    reached, follower, _ = (
        init(homes[name], f"{name}.example/witness") for name in ("reached", "follower", "stranger")
    )
    policy = tmp_path / "policy.json"
    served = ("witness", "serve", "--port", "0", "--log", log_key, "--data-dir", str(homes["reached"]))
    with running(homes["reached"], *served) as witness:
        seats = [{"vkey": reached, "url": witness_at(witness)}, {"vkey": follower}]
        policy.write_text(json.dumps({"quorum": 2, "witnesses": seats}))
        words = ("serve", "--port", "0", "--with-worker", "--witness-policy", str(policy), *place_of(shell))
        with running(homes["server"], *words) as server:
            log_url = f"{address_of(server)}/log"
            shell.done("log", "require", "confirmed")  # an event of the audit trail, which is a leaf
            assert until(lambda: _has(log_url, "checkpoint", reached), 20)
            assert httpx.get(f"{log_url}/confirmed").status_code == 404
            for name, code in (("stranger", 0), ("follower", 0)):
                place = ("--data-dir", str(homes[name]))
                follow = ("witness", "follow", "--log", log_key, "--log-url", log_url, "--once", *place)
                with running(homes[name], *follow) as following:
                    assert following.process.wait(20) == code
                    is_refused = "403" in following.errors.read_text() + following.output.read_text()
                    assert is_refused == (name == "stranger")
            assert all(_has(log_url, "confirmed", key) for key in (reached, follower))
            assert re.search(r"confirmed  [1-9]", shell.done("log", "status"))
            shell.done("log", "require", "none")
            on = ("witness", "follow", "--log-url", log_url, "--data-dir", str(homes["follower"]), "--every", "0.2")
            with running(homes["follower"], *on):
                assert until(lambda: re.search(r"confirmed  [2-9]", shell.done("log", "status")) is not None, 20)
            assert server.ends_by(signal.SIGTERM) == 0


def _has(log_url: str, path: str, key: str) -> bool:
    """Whether the head there bears a cosignature of this key."""
    answer = httpx.get(f"{log_url}/{path}")
    return answer.status_code == 200 and cosigned(Note.parse(answer.text), VerifierKey.parse(key)) is not None
