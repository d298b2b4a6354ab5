"""A line that a message tells to type works where it is typed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from settings.typed import interpreter, typed

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def python_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    file = folder / "python"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_an_environment_that_is_activated_is_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = python_in(tmp_path / "env" / "bin")
    monkeypatch.setattr(sys, "executable", str(own.with_name("python3")))
    monkeypatch.setattr(sys, "argv", ["cli.py"])
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    assert interpreter() == "python" and typed("up") == "python cli.py up"


def test_one_that_is_not_is_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = python_in(tmp_path / "my env" / "bin"), python_in(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", str(own))
    monkeypatch.setenv("PATH", str(other.parent))
    monkeypatch.chdir(tmp_path)
    assert interpreter() == "'my env/bin/python'"
    monkeypatch.chdir(other.parent)
    assert interpreter() == shlex.quote(str(own))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert interpreter() == shlex.quote(str(own))


def test_the_program_is_found_from_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = python_in(tmp_path / "env" / "bin")
    monkeypatch.setattr(sys, "executable", str(own))
    monkeypatch.setattr(sys, "argv", ["cli.py"])
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    for folder, file in ((REPOSITORY, "cli.py"), (REPOSITORY.parent, f"{REPOSITORY.name}/cli.py")):
        monkeypatch.chdir(folder)
        assert typed("up") == f"python {file} up"
    monkeypatch.chdir(tmp_path)
    assert typed("up") == f"python {shlex.quote(str(REPOSITORY / 'cli.py'))} up"


def test_an_installed_one_that_is_not_on_the_path_is_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baton = python_in(tmp_path / "env" / "bin").rename(tmp_path / "env" / "bin" / "baton")
    monkeypatch.setattr(sys, "argv", [str(baton)])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert typed("up") == f"{shlex.quote(str(baton))} up"
    monkeypatch.chdir(tmp_path)
    assert typed("up") == "env/bin/baton up"
    monkeypatch.setenv("PATH", f"{baton.parent}:/usr/bin:/bin")
    assert typed("up") == "baton up"


def test_it_works_pasted_into_a_shell_without_the_environment() -> None:
    bare = {**os.environ, "PATH": "/usr/bin:/bin"}
    ask = [sys.executable, "-c", "from settings.typed import interpreter; print(interpreter())"]
    word = subprocess.run(ask, env=bare, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    line = f"{word.strip()} -c 'import click, sys; print(sys.prefix)'"
    said = subprocess.run(
        ["sh", "-c", line], env=bare, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == sys.prefix
