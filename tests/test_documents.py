"""What README and documents show is what the program has."""

import re
from pathlib import Path

import pytest
from graphql import parse, validate
from typer.main import get_command

from graphql_api.schema import schema
from merchantry.cli.main import app
from merchantry.domain.plan_document import plan_from_json

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
COMMAND = re.compile(r"^(?:\S*/)?merchantry ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)


def blocks(kind: str) -> list[tuple[str, str]]:
    """Fenced blocks of a kind, with the page's name."""
    return [(page.name, text) for page in PAGES for found, text in FENCE.findall(page.read_text()) if found == kind]


def test_schema_graphql_is_the_schema() -> None:
    assert (ROOT / "schema.graphql").read_text().strip() == schema.as_str().strip(), (
        "write it anew: merchantry schema --write schema.graphql"
    )


@pytest.mark.parametrize(("page", "document"), blocks("graphql"))
def test_documents_that_are_shown_are_valid(page: str, document: str) -> None:
    assert validate(schema._schema, parse(document)) == [], page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_commands_that_are_shown_exist() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    shown = {match.groups() for kind in ("", "sh") for _, text in blocks(kind) for match in COMMAND.finditer(text)}
    assert shown
    for name, sub in shown:
        assert name in known, name
        subcommands = getattr(known[name], "commands", None)
        assert subcommands is None or sub in subcommands, f"{name} {sub}"


def test_the_plan_that_is_shown_is_a_plan() -> None:
    (plan,) = (text for page, text in blocks("json") if page == "commission-plans.md")
    assert plan_from_json(plan).hold_days == 7
