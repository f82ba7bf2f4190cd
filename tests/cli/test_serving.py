"""What serves and works until a signal: as processes of their own, on a database beside them."""

import json
import re
import signal
import socket
from pathlib import Path

import httpx
import psycopg
import pytest

from tenancy.tokens import DevelopmentIssuer
from tests.cli.running import Running, Shell, running


def place_of(shell: Shell) -> tuple[str, ...]:
    return ("--database-url", shell.logins.owner, "--data-dir", str(shell.data_dir))


def address_of(server: Running) -> str:
    server.printed("Serving http", 20)
    found = re.search(r"http://\S+(?=/graphql)", server.errors.read_text())
    assert found
    return found[0]


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_until_a_signal(shell: Shell, tmp_path: Path, ended_by: signal.Signals) -> None:
    words = ("serve", "--port", "0", "--production", "--with-worker", *place_of(shell))
    with running(tmp_path, *words) as server:
        address = address_of(server)
        assert httpx.get(f"{address}/health/ready").json() == {"status": "ready"}
        asked = httpx.post(f"{address}/graphql", json={"query": "{ categories { code } }"})
        assert asked.json() == {"data": {"categories": []}}
        assert httpx.get(f"{address}/").status_code == 404
        assert httpx.get(f"{address}/sandbox/pay/00000000-0000-0000-0000-000000000000").status_code == 404
        assert server.ends_by(ended_by) == 0


def test_a_server_is_not_ready_while_its_database_is_behind(shell: Shell, tmp_path: Path) -> None:
    with running(tmp_path, "serve", "--port", "0", "--development", *place_of(shell)) as server:
        address = address_of(server)
        assert httpx.get(f"{address}/", follow_redirects=False).headers["location"] == "/graphql"
        with psycopg.connect(shell.logins.owner) as connection:
            connection.execute("UPDATE platform.schema_version SET version = 'base'")
        assert httpx.get(f"{address}/health/ready").status_code == 503
        with psycopg.connect(shell.logins.owner) as connection:
            connection.execute("UPDATE platform.schema_version SET version = 'v9999'")  # a newer program's release
        assert httpx.get(f"{address}/health/ready").status_code == 200


def test_a_busy_port_names_the_option(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("serve", "demo"):
            result = shell.run(command, "--port", port)
            assert result.exit_code == 2
            assert "--port" in result.stderr


def test_serve_refuses_a_database_that_is_behind(shell: Shell) -> None:
    with psycopg.connect(shell.logins.owner) as connection:
        connection.execute(
            "INSERT INTO platform.merchant (id, slug, status, version, created_at)"
            " VALUES (gen_random_uuid(), 'old', 'active', 'base', now())"
        )
    result = shell.run("serve", "--port", "0")
    assert result.exit_code == 2
    assert "merchantry migrate" in result.stderr


def test_a_worker_works_until_a_signal(shell: Shell, tmp_path: Path) -> None:
    with running(tmp_path, "worker", *place_of(shell)) as worker:
        worker.printed("Working", 20)
        assert worker.ends_by(signal.SIGTERM) == 0


def test_serve_takes_the_keys_of_an_identity_provider(shell: Shell, tmp_path: Path) -> None:
    issuer = DevelopmentIssuer.load_or_create(tmp_path)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [json.loads((tmp_path / "issuer.jwk").read_text())]}))
    given = ("--jwt-keys", str(keys), "--jwt-issuer", DevelopmentIssuer.ISSUER)
    with running(tmp_path, "serve", "--port", "0", *given, *place_of(shell)) as server:
        headers = {"authorization": f"Bearer {issuer.issue('ana', None, 600)}"}
        asked = httpx.post(f"{address_of(server)}/graphql", json={"query": "{ viewer { accountId } }"}, headers=headers)
        assert asked.json()["data"]["viewer"]["accountId"]
        strange = DevelopmentIssuer.load_or_create(shell.data_dir).issue("ana", None, 600)
        headers = {"authorization": f"Bearer {strange}"}
        assert httpx.post(f"{address_of(server)}/graphql", json={}, headers=headers).status_code == 401


def test_keys_without_their_issuer_are_refused(shell: Shell, tmp_path: Path) -> None:
    for given in (("--jwt-keys", str(tmp_path / "no.json")), ("--jwt-issuer", "https://id.example")):
        assert "--jwt-issuer" in shell.run("serve", "--port", "0", *given, *place_of(shell)).stderr
    both = ("--jwt-keys", str(tmp_path / "no.json"), "--jwt-issuer", "https://id.example")
    assert "no.json" in shell.run("serve", "--port", "0", *both, *place_of(shell)).stderr
