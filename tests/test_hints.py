"""Commands that messages tell people to type: each is one that there is, with its options, and leads on to an end."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator

import click
import pytest

from cli import cli
from tests.support import REPOSITORY

PACKAGES = ("commands", "db", "experiments", "settings", "tasks", "views", "workers")

#: What stands for a value that is known only when the line is said.
VALUE = "1"


def told(node: ast.expr) -> str | None:
    """The words of a literal; None where they are made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    if isinstance(node, ast.BinOp):
        left = told(node.left)
        return None if left is None else left + (told(node.right) or VALUE)
    return None


def hints() -> Iterator[tuple[str, str]]:
    """(where, the words) of every call of `typed`, both of a conditional."""
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (
                    isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "typed"
                ):
                    continue
                first = node.args[0]
                for one in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                    words = told(one)
                    if words is not None and not words.startswith(VALUE):
                        yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", words


HINTS = list(hints())


def test_hints_are_found() -> None:
    assert len(HINTS) > 20
    assert {words for _, words in HINTS} >= {"up --until-done", "status", "submit-ablation"}


@pytest.mark.parametrize(("place", "words"), HINTS, ids=[place for place, _ in HINTS])
def test_a_hint_is_a_command_with_options_that_it_has(place: str, words: str) -> None:
    parts = shlex.split(words)
    command: click.Command = cli
    context = click.Context(cli, info_name="cli.py")
    while isinstance(command, click.Group) and parts and not parts[0].startswith("-"):
        found = command.get_command(context, parts[0])
        assert found is not None, f"{place}: there is no command {parts[0]}"
        command, context = found, click.Context(found, parent=context, info_name=parts.pop(0))
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    said = {part.partition("=")[0] for part in parts if part.startswith("-") and part != "-"}
    assert said <= known | {"--help"}, place


@pytest.mark.parametrize(
    ("place", "words"), [hint for hint in HINTS if hint[1].split()[0] == "up"], ids=lambda value: value
)
def test_who_is_told_to_go_on_comes_to_an_end(place: str, words: str) -> None:
    assert "--until-done" in words.split(), place
