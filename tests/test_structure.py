"""What holds of the whole package's text."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "webhook"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION = 40  # lines
FORBIDDEN_ROOMS = {"utils", "helpers", "common", "base", "core", "manager"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_no_function_is_over_40_lines(module: Path) -> None:
    tree = ast.parse(module.read_text())

    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno is not None}

    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION} == {}


def test_no_room_is_named_for_nothing() -> None:
    names = {part for module in MODULES for part in module.relative_to(PACKAGE).with_suffix("").parts}

    assert names & FORBIDDEN_ROOMS == set()
