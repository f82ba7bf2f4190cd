"""`merchantry keys`: what an operator does with the keys of payee accounts."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from merchantry.cli.installation import master_keys_in
from merchantry.services.payee import PayeeAccount
from merchantry.services.vault import Vault
from merchantry.vault.keys import ENVIRONMENT, FILE, MasterKeys
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_merchant
from tests.cli.running import Shell
from tests.services.test_payee import add, opened

T = TypeVar("T")
Stored = list[tuple[Merchant, PayeeAccount]]


def with_database(shell: Shell, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = Database(shell.logins, pool_size=2)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def some_accounts(shell: Shell, count: int = 2) -> Stored:
    """One account each of so many merchants, sealed with the keys in the data directory."""
    vault = Vault(lambda: master_keys_in(shell.data_dir))

    async def work(database: Database) -> Stored:
        merchants = [await a_merchant(database) for _ in range(count)]
        return [(each, await add(database, each, vault)) for each in merchants]

    shell.data_dir.mkdir(exist_ok=True)
    return with_database(shell, work)


def all_open(shell: Shell, stored: Stored) -> None:
    async def work(database: Database) -> None:
        vault = Vault(lambda: master_keys_in(shell.data_dir))
        for merchant, account in stored:
            assert (await opened(database, merchant, vault, account.id)).holder == "Ana Souza"

    with_database(shell, work)


def listed(shell: Shell) -> list[list[str]]:
    """The rows of `keys list`: id, what it is, how many data keys it wraps."""
    lines = shell.done("keys", "list").splitlines()
    return [line.replace("│", " ").split() for line in lines if line.startswith("│")]


def secrets_in(shell: Shell) -> list[str]:
    return list(json.loads((shell.data_dir / FILE).read_text())["keys"].values())


def test_a_new_master_key_wraps_everything_and_accounts_open_as_before(shell: Shell) -> None:
    stored = some_accounts(shell)
    assert listed(shell) == [["1", "current", "2"]]
    printed = shell.done("keys", "rotate")
    assert "The master key 2 is current. 2 data keys were wrapped anew." in printed
    assert listed(shell) == [["1", "kept", "0"], ["2", "current", "2"]]
    assert len(secrets_in(shell)) == 2
    assert not any(secret in printed for secret in secrets_in(shell))
    all_open(shell, stored)


def test_a_rotation_that_was_killed_is_finished_before_another_key_is_made(shell: Shell) -> None:
    stored = some_accounts(shell)
    MasterKeys.add_current(shell.data_dir)
    assert "The master key 2 is current. 2 data keys" in shell.done("keys", "rotate")
    assert listed(shell) == [["1", "kept", "0"], ["2", "current", "2"]]
    assert "The master key 3 is current. 2 data keys" in shell.done("keys", "rotate")
    all_open(shell, stored)


def test_accounts_get_new_data_keys_once_for_a_moment(shell: Shell) -> None:
    stored = some_accounts(shell)
    first = shell.run("keys", "re-encrypt")
    assert "2 accounts of 2 merchants were sealed anew." in first.stdout
    hint = first.stderr.split("--before ")[1].split()[0]
    assert "0 accounts of 0 merchants" in shell.done("keys", "re-encrypt", "--before", hint)
    all_open(shell, stored)
    assert listed(shell) == [["1", "current", "4"]]


def test_a_ring_from_the_environment_is_used_and_never_changed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = MasterKeys.generate("2026-01")
    monkeypatch.setenv(ENVIRONMENT, ring.to_text())
    stored = some_accounts(shell)
    refused = shell.run("keys", "rotate")
    assert refused.exit_code == 2
    assert "add a key to it" in refused.stderr
    monkeypatch.setenv(ENVIRONMENT, ring.with_new_current("2026-02").to_text())
    assert "The master key 2026-02 is current. 2 data keys" in shell.done("keys", "rotate")
    all_open(shell, stored)
    assert not (shell.data_dir / FILE).exists()


def test_a_missing_master_key_is_told_without_a_traceback(shell: Shell) -> None:
    some_accounts(shell, 1)
    ring = MasterKeys.generate("other")
    (shell.data_dir / FILE).write_text(ring.to_text())
    assert listed(shell) == [["1", "missing", "1"], ["other", "current", "0"]]
    result = shell.run("keys", "rotate")
    assert result.exit_code == 2
    assert "The ring has no master key '1'" in result.stderr
    assert result.stderr.count("\n") < 5


def test_an_environment_that_holds_no_ring_is_told_without_showing_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, '{"current": "1", "keys": {"1": "c2VjcmV0"}}')
    result = shell.run("keys", "list")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{ENVIRONMENT}: A key has 32 bytes")
    assert "c2VjcmV0" not in result.stderr
