"""What leaves `db` is a frozen value with exact types: no row, session or cursor of SQLAlchemy's, and no Any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import db

ROOT = Path(db.__file__).parent

#: What the statements of the state are made of and run on: modules that only `db` itself may import.
INSIDE = {"engine.py", "statements.py", "schema.py", "postgres.py"}

#: Of SQLAlchemy, and the tables of the state: what would let whoever holds it read on.
FORBIDDEN = {
    "Any", "Row", "RowMapping", "Result", "CursorResult", "MappingResult", "ScalarResult", "Ablation", "AblationJob",
    "Artifact", "Attempt", "Event", "Job", "JobDependency", "Metric", "Run", "Worker",
}  # fmt: skip

MODULES = sorted(
    path for path in ROOT.rglob("*.py") if "migrations" not in path.parts and path.name not in INSIDE
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_signatures_are_exact(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {
        (where, name)
        for where, annotation in annotations(tree.body)
        for name in names(annotation)
        if name in FORBIDDEN
    }
    assert not found


def test_values_of_rows_are_frozen() -> None:
    """Whoever got one cannot change what another reads of it."""
    loose = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for decorator in node.decorator_list
        if "dataclass" in names(decorator) and "frozen=True" not in ast.unparse(decorator)
    ]
    assert not loose


def test_what_is_forbidden_is_seen() -> None:
    source = "def rows(db: Database, x: Any) -> list[Row[tuple[int]]]: ...\nclass Held:\n    row: Any\n"
    found = [name for _, note in annotations(ast.parse(source).body) for name in names(note)]
    assert sorted(set(found) & FORBIDDEN) == ["Any", "Row"] and found.count("Any") == 2


def annotations(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Of parameters and returns of public functions and methods, and of public fields."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from annotations(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            given = node.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            for argument in every:
                if argument is not None and argument.annotation is not None:
                    yield f"{within}{node.name}({argument.arg})", argument.annotation
            if node.returns is not None:
                yield f"{within}{node.name}", node.returns
        elif isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield within + ast.unparse(node.target), node.annotation


def names(annotation: ast.AST) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
