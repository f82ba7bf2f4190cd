"""`merchantry witness` and `merchantry log`, as an auditor and an operator run them."""

import json
import re
import signal
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
from typer.testing import CliRunner, Result

from merchantry.cli.main import app
from merchantry.domain.note import VerifierKey
from merchantry.transparency.log_keys import LogKeys
from tests.cli.running import Running, Shell, running, until
from tests.witness.paper_log import ORIGIN, SIGNER, Tree, paper_log

LOG = str(SIGNER.verifier)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["witness", *words])


def init(place: Path, name: str = "auditor.example/witness") -> str:
    made = run("init", "--name", name, "--data-dir", str(place))
    assert made.exit_code == 0, made.output
    return made.stdout.strip()


def address_of(witness: Running) -> str:
    witness.printed("add-checkpoint", 20)
    found = re.search(r"http://\S+(?=/add-checkpoint)", witness.errors.read_text())
    assert found
    return found[0]


def test_a_witness_is_made_once_and_keeps_its_name(tmp_path: Path) -> None:
    key = init(tmp_path)
    assert VerifierKey.parse(key).name == "auditor.example/witness"
    assert init(tmp_path) == key
    assert run("init", "--name", "other.example", "--data-dir", str(tmp_path)).exit_code == 2
    assert run("init", "--name", "two words", "--data-dir", str(tmp_path / "b")).exit_code == 2
    assert ((tmp_path / "witness_key.json").stat().st_mode & 0o077) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status",), "merchantry witness init"),
        (("follow", "--log-url", "http://127.0.0.1:1/log"), "merchantry witness init"),
    ],
    ids=["status", "follow"],
)
def test_without_a_witness_the_remedy_is_told(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = run(*words, "--data-dir", str(tmp_path))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_key_that_is_none_or_a_witnesses_is_refused(tmp_path: Path) -> None:
    own = init(tmp_path)
    for key in ("nonsense", own):
        result = run("follow", "--log", key, "--log-url", "http://127.0.0.1:1/log", "--data-dir", str(tmp_path))
        assert result.exit_code == 2
        assert "--log" in result.stderr
    result = run("follow", "--log-url", "http://127.0.0.1:1/log", "--data-dir", str(tmp_path))
    assert "trusts no log yet" in result.stderr


def test_following_ends_with_an_alarm_once_the_log_is_rewritten(tmp_path: Path) -> None:
    init(tmp_path)
    place = ("--data-dir", str(tmp_path))
    told = tmp_path / "told.json"
    alarm = f"{sys.executable} -c \"import sys; open(r'{told}', 'w').write(sys.stdin.read())\""
    with paper_log(Tree.of(10)) as (log, url):
        follow = ("follow", "--log", LOG, "--log-url", url, "--once", "--alarm-command", alarm, *place)
        watched = run(*follow)
        assert (watched.exit_code, "Following" in watched.stderr) == (0, True)
        assert "10 leaves" in run("status", *place).stdout
        assert run("check", *place).exit_code == 0
        log.show(Tree.of(12).changed(3))
        assert run(*follow).exit_code == 1
    assert json.loads(told.read_text())["kind"] == "rewritten"
    check = run("check", *place)
    assert check.exit_code == 1
    assert "heads of 10 and 12" in check.stderr
    file = tmp_path / "evidence.json"
    file.write_text(run("evidence", *place).stdout)
    assert run("prove", str(file), "--log", LOG).exit_code == 0
    file.write_text(file.read_text().replace('"rewritten"', '"fork"'))
    assert run("prove", str(file), "--log", LOG).exit_code == 1


def test_two_witnesses_that_serve_find_a_split_view_by_themselves(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for place in (one, other):
        place.mkdir()
        init(place, f"{place.name}.example/witness")
    words = ("witness", "serve", "--port", "0", "--log", LOG, "--data-dir")
    with running(one, *words, str(one)) as first:
        url = address_of(first)
        httpx.post(f"{url}/add-checkpoint", content=Tree.of(20).asked(0).body).raise_for_status()
        with running(other, *words, str(other), "--peer", url, "--every", "0.2") as second:
            theirs = address_of(second)
            body = Tree.of(20).changed(5).asked(0).body
            httpx.post(f"{theirs}/add-checkpoint", content=body).raise_for_status()
            assert until(lambda: bool(httpx.get(f"{theirs}/evidence").json()), 20)
            [found] = httpx.get(f"{theirs}/evidence").json()
            assert found["kind"] == "fork"
            compared = run("compare", "--with", theirs, "--data-dir", str(one))
            assert compared.exit_code == 1
            assert second.ends_by(signal.SIGTERM) == 0
        assert first.ends_by(signal.SIGINT) == 0
    assert run("check", "--data-dir", str(one)).exit_code == 1
    file = tmp_path / "heads.json"
    file.write_text(run("heads", "--data-dir", str(other)).stdout)
    assert run("compare", "--with", str(file), "--data-dir", str(one)).exit_code == 1


def test_a_log_gets_its_name_before_it_begins(shell: Shell) -> None:
    made = CliRunner().invoke(app, ["log", "init", "--origin", ORIGIN, "--data-dir", str(shell.data_dir)])
    assert made.exit_code == 0, made.output
    assert VerifierKey.parse(made.stdout).name == ORIGIN
    other = CliRunner().invoke(app, ["log", "init", "--origin", "b", "--data-dir", str(shell.data_dir)])
    assert other.exit_code == 2
    assert "never changes" in other.stderr
    for words, count in ((("keys", "add"), 2), (("keys", "retire"), 1)):
        changed = CliRunner().invoke(app, ["log", *words, "--data-dir", str(shell.data_dir)])
        assert len(changed.stdout.split()) == count, changed.output


def test_the_operator_sees_how_far_the_log_is_and_whether_it_may_go_on(shell: Shell, tmp_path: Path) -> None:
    shell.data_dir.mkdir()
    assert "waiting    0 leaves" in shell.done("log", "status")
    assert "no witness was asked" in shell.done("log", "check")
    assert "confirmed" in shell.done("log", "require", "confirmed")
    assert "required   confirmed" in shell.done("log", "status")
    keys = LogKeys.load_or_create(shell.data_dir)
    witness = tmp_path / "auditor"
    key = init(witness)
    words = ("witness", "serve", "--port", "0", "--log", str(keys.verifiers[0]), "--data-dir", str(witness))
    with running(tmp_path, *words) as served:
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({"quorum": 1, "witnesses": [{"vkey": key, "url": address_of(served)}]}))
        given = ("--witness-policy", str(policy))
        assert "continue what the witnesses saw" in shell.done("log", "check", *given)
        place = ("--database-url", shell.logins.owner, "--data-dir", str(shell.data_dir))
        work = tmp_path / "work"
        work.mkdir()
        with running(work, "worker", *place, *given) as worker:
            worker.printed("Working", 20)
            shell.done("log", "require", "none")  # an event of the audit trail, which is a leaf
            assert until(lambda: re.search(r"confirmed  [1-9]", shell.done("log", "status")) is not None, 20)
            assert worker.ends_by(signal.SIGTERM) == 0
        assert "auditor.example/witness: " in shell.done("log", "status", *given)
        with psycopg.connect(shell.logins.owner) as connection:
            connection.execute("TRUNCATE platform.log_leaf, platform.log_checkpoint, platform.log_tile")
        refused = shell.run("log", "check", *given)
        assert refused.exit_code == 1
        assert "that this log signed; stored are 0" in refused.stderr
    assert shell.run("log", "check", *given).exit_code == 2
    policy.write_text("{}")
    refused = shell.run("worker", *given)
    assert refused.exit_code == 2
    assert "--witness-policy: witnesses" in refused.stderr
