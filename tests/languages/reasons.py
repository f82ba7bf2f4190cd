"""The sentences of `InvalidInput` and `CouponNotApplicable`, found in the program's text."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLOORS = ("merchantry", "graphql_api")
CLASSES = ("InvalidInput", "CouponNotApplicable")


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module, parsed."""
    return {path: ast.parse(path.read_text()) for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))}


def templates() -> set[str]:
    """The sentences as they are written: whole ones, and templates of those with facts."""
    found = set[str]()
    for tree in trees().values():
        wording = _wording(tree)
        found.update(text for node in ast.walk(tree) for text in _said_by(node, wording))
    return found


def made_by_hand() -> list[str]:
    """Where a sentence is put together otherwise, so that nobody can translate it."""
    found = []
    for path, tree in trees().items():
        for node in ast.walk(tree):
            for value in (*_reasons(node), *_kept(node)):
                if isinstance(value, ast.JoinedStr | ast.BinOp):
                    found.append(f"{path.relative_to(ROOT)}:{value.lineno}")
    return found


def _said_by(node: ast.AST, wording: dict[str, int]) -> Iterator[str]:
    values = [*_reasons(node), *_kept(node)]
    if isinstance(node, ast.Call) and _name(node) in wording and len(node.args) > wording[_name(node)]:
        values.append(node.args[wording[_name(node)]])
    yield from (each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str))


def _wording(tree: ast.Module) -> dict[str, int]:
    """What makes sentences, and which of its arguments is the template: `Worded`, and functions that call it."""
    made = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    places = {name: [each.arg for each in node.args.args] for name, node in made.items()}
    return {"Worded": 0, **{name: args.index("template") for name, args in places.items() if "template" in args}}


def _reasons(node: ast.AST) -> list[ast.expr]:
    if not isinstance(node, ast.Call) or _name(node) not in CLASSES:
        return []
    return [each.value for each in node.keywords if each.arg == "reason"]


def _kept(node: ast.AST) -> list[ast.expr]:
    """What a function calls a reason before it refuses with it."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not any(map(_reasons, ast.walk(node))):
        return []
    assigned = (each for each in ast.walk(node) if isinstance(each, ast.Assign))
    return [each.value for each in assigned if any(ast.unparse(target) == "reason" for target in each.targets)]


def _name(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]
