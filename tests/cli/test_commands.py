"""The small commands, and how all of them fail."""

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from merchantry.cli.main import app
from tenancy.schemas import schema_of
from tenancy.tokens import DevelopmentIssuer
from tests.cli.running import Shell

MERCHANT = ("--legal-name", "Kites Ltda", "--category", "toys", "--time-zone", "America/Sao_Paulo", "--currency", "BRL")
PLAN = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 2, "default": {"rate_bps": 1250}}


def a_merchant(shell: Shell, slug: str = "kites", *more: str) -> str:
    return shell.done("merchant", "create", "--slug", slug, "--display-name", "Kites", *MERCHANT, *more)


def execute(shell: Shell, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(shell.logins.owner) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_merchants_are_made_listed_and_suspended(shell: Shell) -> None:
    made = a_merchant(shell, "kites", "--shipping", "12.90", "--owner-email", "owner@kites.test")
    assert "kites is open" in made
    assert "12.90 BRL" in made
    assert "active" in shell.done("merchant", "list")
    assert "suspended" in shell.done("merchant", "suspend", "kites")
    assert "suspended" in shell.done("merchant", "list")
    assert "active" in shell.done("merchant", "activate", "kites")
    owners = execute(
        shell,
        "SELECT email, role FROM platform.membership JOIN platform.account ON account.id = account_id",
    )
    assert owners == [("owner@kites.test", "owner")]


def test_a_merchant_is_closed_exported_and_opened_again(shell: Shell, tmp_path: Path) -> None:
    a_merchant(shell, "kites")
    assert "Nothing stands in the way" in shell.done("merchant", "close", "kites", "--reason", "retires")
    assert "closing" in shell.done("merchant", "list")
    assert "is closed" in shell.done("merchant", "finish", "kites")
    assert "files of kites" in shell.done("merchant", "export", "kites", str(tmp_path / "out"))
    assert (tmp_path / "out" / "tables" / "orders.csv").read_text().startswith("id,number,")
    refused = shell.run("merchant", "finish", "kites")
    assert refused.exit_code == 2
    assert "close it first" in refused.stderr
    assert "merchant finish kites" in shell.done("merchant", "reopen", "kites", "--reason", "a payout came back")
    assert "no merchant" in shell.run("merchant", "close", "boats", "--reason", "x").stderr


def test_a_merchant_takes_cash_where_that_is_said(shell: Shell) -> None:
    a_merchant(shell, "kites", "--accepts-cash")
    assert execute(shell, "SELECT accepts_cash FROM platform.merchant_profile") == [(True,)]
    assert "takes no cash" in shell.done("merchant", "update", "kites", "--no-accepts-cash")


def test_a_merchant_without_a_plan_in_force_is_warned_about(shell: Shell, tmp_path: Path) -> None:
    words = ("merchant", "create", "--slug", "kites", "--display-name", "Kites", *MERCHANT)
    assert "merchantry plan add" in shell.run(*words).stderr
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    shell.done("plan", "add", str(tmp_path / "plan.json"), "--from", "2020-01-01")
    assert shell.run(*words[:3], "kites-2", *words[4:]).stderr == ""


def test_plans_are_added_and_listed(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN))
    assert "Version 1 of standard" in shell.done("plan", "add", str(file), "--from", "2020-01-01")
    assert "Version 2 of standard" in shell.done("plan", "add", str(file), "--from", "2021-01-01")
    assert "2021-01-01T" in shell.done("plan", "list")


def test_a_plan_is_replayed_without_a_trace(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN))
    span = ("--from", "2020-01-01", "--to", "2021-01-01")
    assert "change_minor" in shell.done("plan", "replay", str(file), *span)
    assert "no merchant nobody" in shell.run("plan", "replay", str(file), *span, "--merchant", "nobody").stderr
    assert "standard" not in shell.done("plan", "list")


def test_a_plan_with_mistakes_is_refused_with_every_path(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({**PLAN, "currency": "XYZ", "default": {"rate_bps": "12"}}))
    result = shell.run("plan", "add", str(file), "--from", "2020-01-01")
    assert result.exit_code == 2
    assert "$.currency: " in result.stderr
    assert "$.default.rate_bps: " in result.stderr


def test_a_token_is_the_only_thing_printed_and_its_role_is_granted(shell: Shell) -> None:
    a_merchant(shell)
    words = ("token", "--email", "a@b.test", "--merchant", "kites", "--role", "viewer", "--platform-role", "analyst")
    token = shell.done(*words)
    verifier = DevelopmentIssuer.load_or_create(shell.data_dir).verifier()
    assert verifier.verify(token.strip()).subject == "a@b.test"
    assert execute(shell, "SELECT role FROM platform.membership") == [("viewer",)]
    assert execute(shell, "SELECT role FROM platform.platform_role") == [("analyst",)]


def test_a_token_without_a_role_needs_no_database(tmp_path: Path) -> None:
    place = ["--data-dir", str(tmp_path), "--database-url", "postgresql://nobody@127.0.0.1:1/nothing"]
    result = CliRunner().invoke(app, ["token", "--subject", "s", *place])
    assert result.exit_code == 0
    assert DevelopmentIssuer.load_or_create(tmp_path).verifier().verify(result.stdout.strip()).subject == "s"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("token",), "--email or --subject"),
        (("token", "--email", "a@b.test", "--role", "owner"), "--merchant and --role belong together"),
        (("token", "--email", "a@b.test", "--merchant", "none", "--role", "owner"), "no such merchant none"),
        (("merchant", "suspend", "none"), "no such merchant"),
        (("merchant", "create", "--slug", "No", "--display-name", "K", *MERCHANT), "slug: A slug has"),
        (("merchant", "create", "--slug", "k", "--display-name", "K", *MERCHANT, "--shipping", "1.234"), "digits"),
    ],
)
def test_mistakes_name_their_remedy(shell: Shell, words: tuple[str, ...], remedy: str) -> None:
    result = shell.run(*words)
    assert result.exit_code == 2
    assert remedy in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgresql://nobody@127.0.0.1:1/nothing", "Check --database-url"),
        ("mysql://host/db", "must look like postgresql://"),
        ("what", "must look like postgresql://"),
    ],
)
def test_a_database_that_is_not_there_is_told_without_a_traceback(tmp_path: Path, url: str, remedy: str) -> None:
    result = CliRunner().invoke(app, ["merchant", "list", "--database-url", url, "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert remedy in result.stderr
    assert "Traceback" not in result.output


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["token", "--email", "a@b.test", "--data-dir", str(tmp_path / "file" / "in")])
    assert result.exit_code == 2
    assert "--data-dir" in result.stderr


def test_an_empty_database_is_migrated_and_a_database_behind_is_not(empty_shell: Shell) -> None:
    assert "base" in empty_shell.done("migrate", "--status")
    a_merchant(empty_shell)
    assert "kites" not in empty_shell.done("migrate", "--status")
    execute(empty_shell, "UPDATE platform.merchant SET version = 'base'")
    refused = empty_shell.run("merchant", "list")
    assert refused.exit_code == 2
    assert "merchantry migrate" in refused.stderr
    assert "kites" in empty_shell.done("migrate", "--status")


def test_a_migration_that_fails_says_where_and_why(shell: Shell) -> None:
    a_merchant(shell)
    execute(shell, "UPDATE platform.merchant SET version = 'base'")  # its tables are there already
    result = shell.run("migrate")
    [(merchant_id,)] = execute(shell, "SELECT id FROM platform.merchant")
    assert result.exit_code == 1
    assert f"{schema_of(merchant_id)} was left as it was" in result.stderr  # type: ignore[arg-type]
    assert "already exists" in result.stderr


def test_migrating_what_is_current_changes_nothing(shell: Shell) -> None:
    assert "0 merchants migrated" in shell.done("migrate")


def test_a_database_of_a_newer_program_is_refused(shell: Shell) -> None:
    execute(shell, "UPDATE platform.schema_version SET version = 'v9999'")
    result = shell.run("migrate")
    assert result.exit_code == 2
    assert "newer merchantry" in result.stderr


def test_the_schema_is_printed_written_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    assert CliRunner().invoke(app, ["schema", "--write", str(file)]).exit_code == 0
    assert CliRunner().invoke(app, ["schema"]).stdout == file.read_text()
    assert CliRunner().invoke(app, ["schema", "--check", str(file)]).exit_code == 0
    file.write_text(file.read_text().replace("type Query", "type Question"))
    differs = CliRunner().invoke(app, ["schema", "--check", str(file)])
    assert differs.exit_code == 1
    assert "-type Question" in differs.stdout
    assert "+type Query" in differs.stdout
    assert "--write" in differs.stderr
    assert CliRunner().invoke(app, ["schema", "--check", str(tmp_path / "none")]).exit_code == 2


def test_verify_books_answers_as_text_and_json_and_by_exit_code(shell: Shell) -> None:
    a_merchant(shell)
    assert "no laws broken" in shell.done("verify", "books")
    [(merchant_id,)] = execute(shell, "SELECT id FROM platform.merchant")
    schema = schema_of(merchant_id)  # type: ignore[arg-type]
    execute(shell, f"UPDATE {schema}.counter SET value = 7 WHERE name = 'entry'")  # noqa: S608
    text = shell.run("verify", "books")
    assert text.exit_code == 1
    assert "kites: entries are numbered without gaps: counter entry: counted 0, stored 7" in text.stdout
    document = json.loads(shell.run("verify", "books", "--format", "json").stdout)
    assert [broken["merchant"] for broken in document["broken"]] == ["kites"]


def test_every_command_has_help() -> None:
    for words in ([], ["demo"], ["serve"], ["worker"], ["merchant", "create"], ["verify", "books"]):
        result = CliRunner().invoke(app, [*words, "--help"])
        assert result.exit_code == 0
        assert "Usage" in result.stdout
