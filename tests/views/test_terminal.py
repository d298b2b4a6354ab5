"""Where bars may redraw themselves: a real pseudo-terminal, a pipe, and what notebooks and CI make of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.table import Table

from tests.support import REPOSITORY
from tests.terminal import in_terminal
from views.terminal import redraws, show

PROGRAM = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from views.terminal import redraws
print(redraws(sys.stdout))
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "True"),
        ({"CI": "false"}, "True"),
        ({"CI": "true"}, "False"),
        ({"JPY_PARENT_PID": "7"}, "False"),
        ({"TERM": "dumb"}, "False"),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, "False"),
    ],
)
def test_a_pseudo_terminal(variables: dict[str, str], expected: str) -> None:
    with in_terminal([sys.executable, "-S", "-c", PROGRAM], **variables) as terminal:
        assert terminal.wait() == 0
        assert terminal.text.strip() == expected


def test_a_file_gets_lines_whatever_wants_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w") as stream:
        assert not redraws(stream)


def test_a_pipe_gets_wide_pages_without_blanks_at_the_ends_of_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    widths = []

    def draw(width: int) -> Table:
        widths.append(width)
        table = Table("arm", "state", box=None)
        table.add_row("recon", "running")
        table.add_row("x" * 100, "ok")
        return table

    show(draw)
    assert widths == [160]
    said = capsys.readouterr().out
    assert "x" * 100 + "  ok\n" in said
    assert not any(line.endswith(" ") for line in said.splitlines())


def test_a_terminal_gets_pages_of_its_width() -> None:
    program = PROGRAM.partition("from views")[0] + "from views.terminal import show; show('x'.__mul__)"
    with in_terminal([sys.executable, "-c", program], columns=91) as terminal:
        assert terminal.wait() == 0
        assert terminal.text.strip() == "x" * 91
