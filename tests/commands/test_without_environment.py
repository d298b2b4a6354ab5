"""Whoever runs Baton with another Python than its own is told what to type."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands.without_environment import NEEDED
from tests.support import REPOSITORY


def test_without_its_libraries_the_command_to_type_is_said() -> None:
    """-S: without site-packages, -I without what the tests put on the path."""
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import cli"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and ("; type: " in line)
    assert "make -C " in line or "/.venv/bin/python " in line


@pytest.mark.parametrize("lacks", ["psutil", "sqlalchemy", "pydantic"])
def test_an_environment_with_some_of_its_libraries(lacks: str, tmp_path: Path) -> None:
    """click is on many machines, for other programs."""
    code = f"import sys; sys.modules[{lacks!r}] = None; import cli; sys.exit(cli.main(['plan', '--preset', 'smoke']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY,
        env={**os.environ, "BATON_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 3 and f"has no {lacks})" in line and "; type: " in line


@pytest.mark.parametrize("name", ["settings", "models"])
def test_a_module_of_the_users_own_under_a_name_of_ours(name: str, tmp_path: Path) -> None:
    """Installed, Baton comes after PYTHONPATH and the working folder; repositories of robots have such names."""
    (tmp_path / f"{name}.py").write_text("")
    code = f"import sys; sys.path.append({str(REPOSITORY)!r}); import cli; sys.exit(cli.main(['plan']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "", "BATON_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 3 and line.startswith("error: Python finds ") and done.stdout == ""
    assert str(tmp_path / f"{name}.py") in line and f"Baton's own {name} was meant" in line


def test_every_library_that_is_needed_is_one_of_ours() -> None:
    assert all(importlib.util.find_spec(name) is not None for name in NEEDED)
