"""What a message shows of a value from outside is short, and no more of the value is looked at."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from settings.shown import MOST_CHARACTERS, cut, first_line, shown
from tests.support import REPOSITORY
from tests.test_layers import modules

#: What makes the short forms, and what another interpreter runs, which sees no module of Baton's.
APART = {
    REPOSITORY / "detectors" / "grounding_dino" / "py_package_server.py",
    REPOSITORY / "settings" / "shown.py",
}
PACKAGES = {"settings", "models", "detectors", "calvin", "policies", "tasks"}


@pytest.mark.parametrize(
    "value",
    ["text", b"bytes", 1, -1.5, None, True, [1, "a"], (1,), (), {"b": 1, "a": [2]}, {}, [[]], {"x": {}}],
)
def test_what_is_short_is_shown_as_it_is(value: Any) -> None:
    assert shown(value) == repr(value)


def test_no_more_is_looked_at_than_is_shown() -> None:
    items: list[Any] = [object.__new__(_Refusing) for _ in range(1000)]
    assert len(shown(["x"] * 12 + items)) <= MOST_CHARACTERS
    assert len(shown({number: number for number in range(12)} | {99: items[0]})) <= MOST_CHARACTERS


class _Refusing:
    def __repr__(self) -> str:
        raise AssertionError("nobody sees this")


def test_nested_and_shared_values_end_soon() -> None:
    value: Any = "x" * 1000
    for _ in range(60):
        value = [value, value]  # 2 ** 60 texts
    assert len(shown(value)) <= MOST_CHARACTERS
    for _ in range(5000):
        value = {"a": value}  # deeper than Python calls itself
    assert shown(value) == "{'a': {'a': {'a': {...}}}}"


def test_large_numbers_are_told_by_their_size() -> None:
    assert shown(10**70) == str(10**70)
    assert shown(1 << 100_000) == "a number of 100001 bits"


def test_texts_are_one_line() -> None:
    assert shown("a\nb\x1b[31m") == repr("a\nb\x1b[31m")
    assert cut("a\nb\x1b[31m\u202e déjà") == r"a\nb\x1b[31m\u202e déjà"
    assert len(cut("\x1b" * 79)) == MOST_CHARACTERS
    assert len(shown("x" * 10**6)) == len(cut("x" * 10**6)) == MOST_CHARACTERS


@pytest.mark.parametrize(
    "file",
    [file for file in modules() if file.relative_to(REPOSITORY).parts[0] in PACKAGES and file not in APART],
)
def test_no_message_takes_the_whole_of_a_value(file: Any) -> None:
    found = [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.FormattedValue) and node.conversion == ord("r"))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "repr")
    ]
    assert not found, f"{file}: lines {found}: `!r` computes all of it; use settings.shown"


def test_of_an_error_the_first_line_is_told_or_its_type() -> None:
    assert first_line(ValueError("\n one\x1b\n two")) == r"one\x1b"
    assert first_line(RuntimeError("x" * 1000), 10) == "xxxxxxx..."
    assert first_line(RuntimeError(" \n")) == first_line(RuntimeError()) == "RuntimeError"
