"""Several processes behind one port, and how they end: nothing that was acknowledged is lost."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import websockets

from tenancy.tokens import DevelopmentIssuer
from tests.cli.running import Running, Shell, running, until
from tests.cli.test_serving import place_of

VIEWER = {"query": "{ viewer { accountId } }"}


def address_of(server: Running) -> str:
    """Several processes take longer than one to start."""
    server.printed("Serving http", 90)
    found = re.search(r"http://\S+(?=/graphql)", server.errors.read_text())
    assert found
    return found[0]


def figures(server: Running) -> dict[str, float]:
    """What the metrics port says."""
    found = re.search(r"http://\S+/metrics", server.errors.read_text())
    assert found
    lines = httpx.get(found[0]).text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found by Linux's /proc")
def test_two_processes_serve_one_is_replaced_and_all_end_with_the_first(shell: Shell, tmp_path: Path) -> None:
    words = ("serve", "--port", "0", "--processes", "2", "--metrics-port", "0", "--production", *place_of(shell))
    with running(tmp_path, *words) as server:
        address = address_of(server)
        for _ in range(10):
            assert httpx.post(f"{address}/graphql", json=VIEWER).status_code == 200
        found = figures(server)
        assert found['merchantry_http_requests_total{status="200"}'] == 10
        assert found['merchantry_operations_total{operation="query",outcome="ok"}'] == 10
        assert found['merchantry_pool_size{pool="app"}'] == 16
        assert found["merchantry_database_up"] == 1
        children = children_of(server.process.pid)
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        assert until(lambda: len(set(children_of(server.process.pid)) - set(children)) == 1, 60)
        assert until(lambda: figures(server)["merchantry_directory_fresh"] == 2, 60)
        assert httpx.post(f"{address}/graphql", json=VIEWER).status_code == 200
        left = children_of(server.process.pid)
        assert server.ends_by(signal.SIGTERM, 30) == 0
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), 10)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found by Linux's /proc")
def test_children_of_a_killed_parent_end_too(shell: Shell, tmp_path: Path) -> None:
    with running(tmp_path, "serve", "--port", "0", "--processes", "2", *place_of(shell)) as server:
        address_of(server)
        children = children_of(server.process.pid)
        server.process.kill()
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 30)


def test_several_processes_hear_that_a_token_was_revoked(shell: Shell, tmp_path: Path) -> None:
    shell.done(
        *("merchant", "create", "--slug", "kites", "--display-name", "Kites", "--legal-name", "Kites Ltda"),
        *("--category", "toys", "--time-zone", "America/Sao_Paulo", "--currency", "BRL"),
    )
    owner = shell.done("token", "--email", "a@kites.test", "--merchant", "kites", "--role", "owner").strip()
    with running(tmp_path, "serve", "--port", "0", "--processes", "2", *place_of(shell)) as server:
        address = address_of(server)

        def ask(token: str, document: str, **variables: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {token}", "x-merchant": "kites"}
            return httpx.post(f"{address}/graphql", json={"query": document, "variables": variables}, headers=headers)

        create = (
            'mutation { machineTokenCreate(input: {name: "ERP", scopes: [PRODUCT_READ]})'
            " { ... on MachineTokenCreated { secret machineToken { id } } } }"
        )
        made = ask(owner, create).json()["data"]["machineTokenCreate"]
        for _ in range(20):
            assert ask(made["secret"], "{ merchant { id } }").status_code == 200
        revoke = "mutation ($i: MachineTokenRevokeInput!) { machineTokenRevoke(input: $i) { __typename } }"
        assert ask(owner, revoke, i={"tokenId": made["machineToken"]["id"]}).status_code == 200
        refused: Callable[[], bool] = lambda: ask(made["secret"], "{ merchant { id } }").status_code == 401  # noqa: E731
        assert until(lambda: all(refused() for _ in range(20)), 10)
        assert until(lambda: ask(owner, "{ merchant { id } }").status_code == 200, 5)
        shell.done("merchant", "suspend", "kites")
        assert until(lambda: all(ask(owner, "{ merchant { id } }").status_code == 403 for _ in range(20)), 10)
        assert server.ends_by(signal.SIGTERM, 30) == 0


MAKE = "mutation ($i: CategoryCreateInput!) { categoryCreate(input: $i) { __typename } }"


async def make_categories(address: str, token: str, number: int, acknowledged: set[str]) -> None:
    """One after the other, until the server answers no more."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=30) as http:
        for count in range(100_000):
            code = f"c-{number}-{count}"
            asked = {"query": MAKE, "variables": {"i": {"code": code, "name": code}}}
            try:
                answer = await http.post(f"{address}/graphql", json=asked)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                assert answer.json()["data"]["categoryCreate"]["__typename"] == "CategoryCreated", answer.text
                acknowledged.add(code)


async def end_under_load(server: Running, address: str, token: str) -> set[str]:
    """What was acknowledged while the server was told to end, and after."""
    acknowledged: set[str] = set()
    place = address.replace("http", "ws") + "/graphql"
    async with asyncio.TaskGroup() as group, httpx.AsyncClient() as http:
        for number in range(4):
            group.create_task(make_categories(address, token, number, acknowledged))
        socket = await websockets.connect(place, subprotocols=[websockets.Subprotocol("graphql-transport-ws")])
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await asyncio.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while (await http.get(f"{address}/health/ready")).status_code != 503:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        before = len(acknowledged)
        await socket.wait_closed()
        assert socket.close_code == 1012
        assert len(acknowledged) > before, "it served on while it was not ready"
    return acknowledged


def test_a_server_that_ends_is_first_not_ready_and_loses_nothing_acknowledged(shell: Shell, tmp_path: Path) -> None:
    admin = shell.done("token", "--email", "adam@mall.test", "--platform-role", "admin").strip()
    words = ("serve", "--port", "0", "--processes", "2", "--drain", "3", "--with-worker", *place_of(shell))
    with running(tmp_path, *words) as server:
        acknowledged = asyncio.run(end_under_load(server, address_of(server), admin))
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.errors.read_text()
    with psycopg.connect(shell.logins.owner) as connection:
        rows = connection.execute("SELECT code FROM platform.category").fetchall()
    assert acknowledged
    assert acknowledged <= {str(row[0]) for row in rows}


def test_a_server_accepts_the_tokens_of_several_issuers(shell: Shell, tmp_path: Path) -> None:
    given: list[str] = []
    tokens = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        issuer = DevelopmentIssuer.load_or_create(tmp_path / name)
        keys = tmp_path / f"{name}.json"
        keys.write_text(json.dumps({"keys": [json.loads((tmp_path / name / "issuer.jwk").read_text())]}))
        given += ["--jwt-keys", str(keys), "--jwt-issuer", f"https://{name}.example"]
        issuer.ISSUER = f"https://{name}.example"
        tokens.append(issuer.issue("ana", None, 600))
    with running(tmp_path, "serve", "--port", "0", *given, *place_of(shell)) as server:
        address = address_of(server)
        accounts = set()
        for token in tokens:
            asked = httpx.post(f"{address}/graphql", json=VIEWER, headers={"authorization": f"Bearer {token}"})
            accounts.add(asked.json()["data"]["viewer"]["accountId"])
        assert len(accounts) == 2


def test_issuers_that_make_no_sense_are_refused(shell: Shell) -> None:
    for words, remedy in (
        (("--oidc-issuer", "http://id.example"), "https"),
        (("--oidc-issuer", "https://id.example", "--oidc-issuer", "https://id.example"), "twice"),
        (("--jwt-keys", "http://id.example/keys", "--jwt-issuer", "x"), "https"),
    ):
        result = shell.run("serve", "--port", "0", *words)
        assert (result.exit_code, remedy in result.stderr) == (2, True), result.output
