"""What README and documents show is what the program has."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from graphql import parse, validate
from typer.main import get_command

from graphql_api.schema import schema
from merchantry.cli.main import app
from merchantry.cli.payout_providers import payout_providers
from merchantry.domain.commission import LineToRate
from merchantry.domain.plan_document import plan_from_json
from merchantry.domain.reversal import Refunded, reverse
from merchantry.domain.split import divide_order
from merchantry.domain.tax import Remitter, line_tax
from merchantry.domain.tiers import Volume

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
COMMAND = re.compile(r"^(?:\S*/)?merchantry ([a-z-]+)(?: ([a-z-]+))?", re.MULTILINE)


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


def test_the_payouts_file_that_is_shown_is_one(tmp_path: Path) -> None:
    [text] = [text for page, text in blocks("json") if page == "operations.md" and "debtor" in text]
    file = tmp_path / "payouts.json"
    file.write_text(text)
    assert set(payout_providers(file)) == {"bank", "wallet"}


@pytest.mark.parametrize("text", [text for page, text in blocks("json") if page == "commission-plans.md"])
def test_plans_that_are_shown_are_plans_and_come_to_what_is_said(text: str) -> None:
    shown = json.loads(text)
    frame = {"name": "Shown", "currency": "BRL", "base": "goods", "hold_days": 7}
    document = shown if "name" in shown else frame | {"default": shown.get("terms", shown)}
    plan = plan_from_json(json.dumps(document))
    if "lines" not in shown:
        return
    volumes = {"default": Volume(**shown.get("volume", {}))}
    lines = [(UUID(int=number), a_line(**line)) for number, line in enumerate(shown["lines"])]
    found = divide_order(plan, lines, volumes)
    for line, said in zip(found.split.lines, shown["gives"], strict=True):
        assert {name: getattr(line, name, None) or getattr(line.commission, name) for name in said} == said
    assert sum(each.amount_minor for each in found.commission.true_ups) == shown.get("true_up_minor", 0)
    before = Refunded()
    for refund, said in zip(shown.get("refunds", ()), shown.get("returned", ()), strict=True):
        reversal = reverse("BRL", found.split.lines[0], before, Refunded(**refund))
        assert {name: getattr(reversal, name) for name in said} == said
        before += Refunded(**refund)


def a_line(tax: dict[str, Any] | None = None, **amounts: Any) -> LineToRate:
    line = LineToRate("somebody", None, None, "BRL", **{"quantity": 1, "shipping_minor": 0, **amounts})
    if tax is None:
        return line
    taxable_minor = line.amounts.taxable_minor(False)
    remitted_by = Remitter(tax["remitted_by"])
    return replace(
        line, tax=line_tax(taxable_minor, tax["rate_bps"], "BR", inclusive=tax["inclusive"], remitted_by=remitted_by)
    )
