"""Tools that answer, that cannot be started, and that do not die."""

from __future__ import annotations

import subprocess

import pytest

from settings.tool import ask_tool


def test_what_was_printed_and_the_exit_code() -> None:
    done = ask_tool(["sh", "-c", "echo out; echo err >&2; exit 3"], 30.0)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_what_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        ask_tool(["/nonexistent/tool"], 30.0)


def test_a_tool_that_does_not_die_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(subprocess.Popen, "kill", lambda process: killed.append(process))
    with pytest.raises(subprocess.TimeoutExpired):
        ask_tool(["sleep", "600"], 0.1)
    (process,) = killed
    assert process.poll() is None
    process.terminate()
    process.wait()
