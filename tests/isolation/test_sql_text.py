"""No SQL text is built from what somebody sent.

A role is no wall against injected SQL, which could set another role. So every place that makes SQL text of anything but
a constant is on a short list here, with the reason why nothing from outside can be in it; a new one fails.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("tenancy", "merchantry", "graphql_api", "migrations")
TAKES_SQL = {
    *("execute", "executemany", "exec_driver_sql", "scalar", "stream", "copy"),
    *("text", "SQL", "literal_column", "Message", "_fixed"),
}
"""Functions and methods whose first argument is, or may be, SQL text."""

ALLOWED = {
    ("tenancy/database.py", "savepoint"): "constants, and the number of a savepoint",
    ("tenancy/across.py", "_lead"): "one of two constants, chosen by a number",
    ("tenancy/analysts.py", "fetch"): "a rendered statement, with schemas' names made from UUIDs",
    ("tenancy/analysts.py", "fetch_in"): "the same, after a checked snapshot's name; values quoted by psycopg",
    ("tenancy/provisioning.py", "provision"): "the rendered script, with a schema's name made from a UUID",
    ("tenancy/read_only.py", "make_writable"): "rendered grants, with a schema's name made from a UUID",
    ("tenancy/replacing.py", "make_schema"): "the rendered script, with a schema's name made from a UUID",
    ("merchantry/cli/metrics.py", "_asked"): "constants, one for each kind of figure",
    ("merchantry/jobs/drill.py", "_fill"): "a rendered revision, with a schema's name made from a UUID",
    ("merchantry/services/restored_schema.py", "fill"): "a rendered revision, with a schema's name made from a UUID",
    ("merchantry/services/restored_schema.py", "refuse_divergence"): "psycopg's own composition of constants",
    ("merchantry/jobs/receipt_replay.py", "_write"): "psycopg's own composition, with a schema's name made from a UUID",
    ("merchantry/jobs/receipt_replay.py", "_take_back"): "psycopg's own composition, likewise",
    ("migrations/platform/versions/v0025_webhooks.py", "upgrade"): "constants of the revision itself",
    ("migrations/platform/versions/v0011_backups.py", "upgrade"): "constants of the revision itself",
    ("migrations/platform/versions/v0019_listing_search.py", "upgrade"): "constants of the revision itself",
    ("tenancy/migrations.py", "migrate_platform"): "a rendered revision of our own, without parameters",
    ("tenancy/migrations.py", "_attempt"): "a rendered revision, with a schema's name that the one parser accepted",
    ("tenancy/bootstrap.py", "prepare"): "psycopg's own composition of identifiers that are constants",
    ("tenancy/bootstrap.py", "_make_granter"): "psycopg's own composition of identifiers that are constants",
    ("tenancy/bootstrap.py", "_close_database"): "psycopg's own composition of identifiers",
    ("merchantry/services/written.py", "_fixed"): "constants of the module, quoted",
    ("merchantry/services/written.py", "_identifier"): "hexadecimal digits of the name of a kind of node, a constant",
    ("merchantry/services/written.py", "_codes"): "codes of currencies that the program knows",
    ("merchantry/services/report.py", "commission_by"): "a constant, quoted",
}


def made_of_parts(node: ast.expr) -> bool:
    """Whether an expression puts a text together: f-strings with values, + and %, format, replace, encode of those."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "join":
            return isinstance(node.func.value, ast.Constant)  # of a text; tables are joined too
        on_text = node.func.attr in ("format", "replace", "encode", "format_map")
        return on_text and not _is_composed(node.func.value)
    return False


def _is_composed(node: ast.expr) -> bool:
    """``sql.SQL("…").format(…)`` of psycopg quotes what it is given."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "SQL"


def findings(path: Path) -> Iterator[tuple[str, str, int]]:
    """File, function and line of every SQL text that is made of parts."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in _calls(function):
                yield path.relative_to(ROOT).as_posix(), function.name, call.lineno


def _calls(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    """Calls whose SQL is put together in place, or before by way of a local name."""
    made = {
        target.id
        for statement in ast.walk(function)
        if isinstance(statement, ast.Assign) and made_of_parts(statement.value)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and call.args and _name(call) in TAKES_SQL:
            given = call.args[0]
            if made_of_parts(given) or (isinstance(given, ast.Name) and given.id in made):
                yield call


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def test_no_sql_text_is_built_from_input() -> None:
    found = [each for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py")) for each in findings(path)]
    strange = [f"{path}:{line} in {function}" for path, function, line in found if (path, function) not in ALLOWED]
    assert not strange, "bind a parameter, or say in ALLOWED why nothing from outside can be in this text"


def test_every_permitted_place_is_still_there() -> None:
    found = {each[:2] for floor in FLOORS for path in (ROOT / floor).rglob("*.py") for each in findings(path)}
    assert set(ALLOWED) <= found, f"no longer needed: {set(ALLOWED) - found}"


SUSPECT = [
    "session.execute(text(f'SELECT {x}'))",
    "session.execute('SELECT ' + x)",
    "session.execute('SELECT %s' % x)",
    "connection.execute('SELECT {}'.format(x))",
    "query = f'SELECT {x}'; connection.execute(query)",
    "exec_driver_sql(script.replace('a', x).encode())",
]


@pytest.mark.parametrize("line", SUSPECT)
def test_what_is_looked_for_is_found(line: str) -> None:
    assert list(_calls(a_function(line)))


def test_composed_and_constant_texts_are_let_pass() -> None:
    assert not list(_calls(a_function("execute(sql.SQL('SELECT {}').format(x)); execute(text('SELECT 1'), x)")))


def a_function(line: str) -> ast.FunctionDef:
    """A function of one line."""
    (function,) = ast.parse(f"def f(x):\n    {line}\n").body
    assert isinstance(function, ast.FunctionDef)
    return function
