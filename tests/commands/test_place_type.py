"""Every option and argument that names a file or folder takes `~` and variables, also where it may be on the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import cli, main
from commands.place_type import PLACE, PLACE_TEXT, Folder, Named, NewFile

#: Homes have their own door (`settings.home.home_at`), and so does what a configuration takes (`--data`).
_OTHER_DOORS = {"--home", "--data"}
_PATHS = {"DIR", "FILE", "PATH", "YAML", "YAML|FILE", "FILE|last"}
_NAMES = {"file", "folder", "out", "words"}


def parameters(group: click.Group = cli) -> Iterator[tuple[str, click.Parameter]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", parameter) for inner, parameter in parameters(command))
        else:
            yield from ((name, parameter) for parameter in command.params)


def test_no_path_is_taken_otherwise() -> None:
    seen, otherwise = 0, []
    for command, parameter in parameters():
        names_a_path = parameter.metavar in _PATHS or parameter.name in _NAMES
        if isinstance(parameter.type, click.Path) or (
            names_a_path and not set(parameter.opts) & _OTHER_DOORS
        ):
            seen += 1
            if parameter.type not in (PLACE, PLACE_TEXT) and not isinstance(
                parameter.type, (Folder, Named, NewFile)
            ):
                otherwise.append(f"{command} {parameter.opts[0]}")
    assert otherwise == [] and seen > 20


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["data", "check", "$NOWHERE/x"], "DIR"),
        (["evaluate", "expert", "--assets", "$NOWHERE/x"], "--assets"),
        (["evaluate", "$NOWHERE/x"], "CHECKPOINT"),
        (["bundle", "export", "${NOWHERE}.bundle"], "FILE"),
        (["plan", "--config", "$NOWHERE.yaml"], "--config"),
        (["plan", "--data", "$NOWHERE"], "--data"),
        (["--home", "$NOWHERE", "status"], "--home"),
    ],
)
def test_a_variable_that_is_not_set_is_told_with_the_option(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {named}: $") and "is not set" in line


@pytest.mark.parametrize(
    "text", ["random", "http://host:9/$x", "{kind: random, seed: $x}", "a/b", "0123abcd"]
)
def test_words_and_addresses_stay(text: str) -> None:
    assert PLACE_TEXT.convert(text, None, None) == text


def test_values_of_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HERE", str(tmp_path))
    assert PLACE.convert("$HERE/a", None, None) == tmp_path / "a"
    assert PLACE_TEXT.convert("${HERE}/a", None, None) == str(tmp_path / "a")
