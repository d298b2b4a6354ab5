"""Secrets in files."""

from __future__ import annotations

import stat
from pathlib import Path

from settings.secret import secret_in


def test_a_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "password"
    answers = iter(["first", "second"])
    assert [secret_in(file, lambda: next(answers)) for _ in range(2)] == ["first", "first"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_one_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first")
    file.chmod(0o644)
    assert secret_in(file, lambda: "second") == "first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_empty_one_of_a_killed_command_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch()
    assert secret_in(file, lambda: "new") == "new" == file.read_text()
