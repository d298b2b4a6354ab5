"""Commands that take seconds before they print say on a terminal what these go to; pipes and JSON stay as they were."""

from __future__ import annotations

import sys

import pytest

import cli
from db.engine import Database
from settings.home import Home

#: Each ends soon by itself, of a home in which nothing was submitted.
COMMANDS = {
    "plan": (["plan", "--preset", "smoke"], "planning ..."),
    "dry run": (["submit-ablation", "--preset", "smoke", "--dry-run"], "planning ..."),
    "detached": (["submit-ablation", "--preset", "smoke", "--detach"], "planning ..."),
    "report": (["report"], "writing the report ..."),
}


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize(("words", "line"), COMMANDS.values(), ids=COMMANDS)
def test_a_terminal_is_told_once_what_is_awaited(
    words: list[str],
    line: str,
    is_terminal: bool,
    home: Home,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    cli.main(["--home", str(home.root), *words])
    assert capsys.readouterr().err.splitlines().count(line) == is_terminal


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS.values()], ids=COMMANDS)
def test_json_is_waited_for_in_silence(
    words: list[str],
    home: Home,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    cli.main(["--home", str(home.root), *words, "--json"])
    assert "..." not in capsys.readouterr().err
