"""A module imports only from lower floors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "tenancy": set[str](),
    "merchantry/domain": set[str](),
    "merchantry/vault": {"tenancy"},
    "merchantry/transparency": {"tenancy", "merchantry.domain"},
    "merchantry/languages": {"merchantry.domain"},
    "merchantry/documents": {"merchantry.domain", "merchantry.languages"},
    "merchantry/mail": {"merchantry.domain", "merchantry.languages"},
    "merchantry/tables": {"tenancy", "migrations"},
    "merchantry/gateways": {"tenancy", "merchantry.domain", "merchantry.tables"},
    "merchantry/services": {
        "tenancy",
        "merchantry.documents",
        "merchantry.domain",
        "merchantry.tables",
        "merchantry.gateways",
        "merchantry.languages",
        "merchantry.transparency",
        "merchantry.vault",
    },
    "merchantry/wallet_simulator": {"merchantry.domain"},
    "merchantry/witness": {"merchantry.domain", "merchantry.transparency"},
    "merchantry/jobs": {
        "tenancy",
        "merchantry.documents",
        "merchantry.domain",
        "merchantry.tables",
        "merchantry.gateways",
        "merchantry.languages",
        "merchantry.mail",
        "merchantry.services",
        "merchantry.transparency",
        "merchantry.vault",
    },
    "merchantry/imports": {
        "tenancy",
        "merchantry.documents",
        "merchantry.domain",
        "merchantry.tables",
        "merchantry.gateways",
        "merchantry.languages",
        "merchantry.mail",
        "merchantry.services",
        "merchantry.transparency",
        "merchantry.vault",
    },
    "graphql_api": {
        "tenancy",
        "merchantry.documents",
        "merchantry.domain",
        "merchantry.gateways",
        "merchantry.languages",
        "merchantry.jobs",
        "merchantry.mail",
        "merchantry.services",
        "merchantry.tables",
        "merchantry.transparency",
        "merchantry.vault",
    },
}
OURS = ("tenancy", "merchantry", "graphql_api", "migrations", "tests", "benchmarks")


def imported(path: Path) -> Iterator[str]:
    """Our modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in OURS)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_from_lower_floors(floor: str) -> None:
    own = floor.replace("/", ".")
    files = list((ROOT / floor).rglob("*.py"))
    assert files
    for path in files:
        for module in imported(path):
            lower = any(f"{module}.".startswith(f"{name}.") for name in {own, *FLOORS[floor]})
            assert lower, f"{path.relative_to(ROOT)} imports {module}"


def test_the_domain_needs_only_the_standard_library() -> None:
    outside = {"sqlalchemy", "psycopg", "strawberry", "graphql", "starlette", "structlog", "orjson", "pydantic"}
    for path in (ROOT / "merchantry/domain").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & outside, path
