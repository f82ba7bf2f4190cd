"""Settlement, payouts and reconciliation at the command line: what operators and cron see."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Shell, running
from tests.cli.test_commands import a_merchant, execute
from tests.gateways.papers import DEBTOR, Entry, camt053, pain002

BANK = {"directory": "bank", "debtor": {"name": "Mall Payments", "iban": DEBTOR.iban, "bic": DEBTOR.bic}}
WALLET = {"url": "http://127.0.0.1:8100", "token": "secret", "limits": {"EUR": 100_000}}


def a_file(place: Path, name: str, data: bytes) -> str:
    (place / name).write_bytes(data)
    return str(place / name)


def test_files_are_reconciled_once_and_differences_counted(shell: Shell, tmp_path: Path) -> None:
    statement = camt053([Entry("3.00", parts=[("UNKNOWN-1", "3.00")])], "1000.00", "997.00")
    csv = b"date,amount,currency,reference,provider_reference,kind\n2026-03-10,-1.00,EUR,,W1,fee\n"
    files = [a_file(tmp_path, "bank.xml", statement), a_file(tmp_path, "wallet.csv", csv)]
    bank, wallet = shell.done("reconcile", *files, "--account", "our wallet").splitlines()
    found = "0 lines matched, 0 returns, 1 without a match; 1 differences to look at."
    assert bank == f"bank.xml (camt.053): 1 statements; {found}"
    assert wallet.startswith("wallet.csv (csv): 1 statements; ")
    assert "0 statements, 1 taken before" in shell.done("reconcile", files[0])
    kept = execute(shell, "SELECT source, account FROM platform.bank_statement ORDER BY source")
    assert kept == [("camt.053", DEBTOR.iban), ("csv", "our wallet")]
    named = execute(shell, "SELECT after ->> 'file' FROM platform.audit_event WHERE act = 'bank_statement.take'")
    assert {name for (name,) in named} == {"bank.xml", "wallet.csv"}


def test_files_that_can_not_be_taken_are_named(shell: Shell, tmp_path: Path) -> None:
    wrong = {
        "sum.xml": camt053([Entry("3.00", parts=[("X", "3.00")])], "1000.00", "1000.00"),
        "foreign.xml": pain002("ACSC"),
        "broken.xml": b"<camt.053",
    }
    for name, data in wrong.items():
        result = shell.run("reconcile", a_file(tmp_path, name, data))
        assert (result.exit_code, name in result.stderr) == (2, True), result.output
    assert shell.run("reconcile", str(tmp_path / "missing.xml")).exit_code == 2


def test_settling_is_checked_by_its_exit_code(shell: Shell) -> None:
    assert "Settled until never" in shell.done("settle", "--check")
    a_merchant(shell)
    shell.done("settle")
    assert re.search(r"Settled until 20\d\d-", shell.done("settle", "--check"))
    execute(shell, "UPDATE platform.settlement_run SET until = until - interval '2 days'")
    missed = shell.run("settle", "--check")
    assert missed.exit_code == 2
    assert "see that a worker runs" in missed.stderr


def test_one_merchant_is_settled_with_by_its_slug(shell: Shell) -> None:
    for slug in ("kites", "lamps"):
        a_merchant(shell, slug)
    assert shell.done("settle").startswith("2 merchants until ")
    assert shell.done("settle", "--merchant", "kites").startswith("1 merchants until ")
    unknown = shell.run("settle", "--merchant", "nobody")
    assert (unknown.exit_code, "--merchant nobody is no merchant" in unknown.stderr) == (2, True)
    assert "lies in the future" in shell.run("settle", "--until", "2999-01-01T00:00:00Z").stderr


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "JSONDecodeError"),
        ([], "give an object with bank, wallet or both"),
        ({"banks": BANK}, "not banks"),
        ({"bank": {"debtor": BANK["debtor"]}}, "KeyError: 'directory'"),
        ({"bank": {"directory": "bank"}}, "KeyError: 'debtor'"),
        ({"bank": {**BANK, "debtor": {"name": "M", "iban": "DE00370400440532013000"}}}, "no valid IBAN"),
        ({"wallet": {"url": WALLET["url"]}}, "KeyError: 'token'"),
    ],
    ids=["no-json", "a-list", "unknown-name", "no-directory", "no-debtor", "wrong-iban", "no-token"],
)
def test_mistakes_in_the_payouts_file_are_named_before_anything_starts(
    shell: Shell, tmp_path: Path, document: Any, said: str
) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    for command in ("worker", "serve"):
        result = shell.run(command, "--payouts", a_file(tmp_path, "payouts.json", text.encode()))
        assert result.exit_code == 2, result.output
        assert "payouts.json" in result.stderr
        assert said in result.stderr
        assert "docs/operations.md" in result.stderr


def test_a_worker_runs_with_a_bank_and_a_wallet(shell: Shell, tmp_path: Path) -> None:
    file = a_file(tmp_path, "payouts.json", json.dumps({"bank": BANK, "wallet": WALLET}).encode())
    words = ("worker", "--database-url", shell.logins.owner, "--data-dir", str(shell.data_dir))
    with running(tmp_path, *words, MERCHANTRY_PAYOUTS=file) as worker:
        worker.printed("Working", 20)
