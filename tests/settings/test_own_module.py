"""Modules of Baton's own in other processes: its own, whatever lies where a command is typed."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from settings.own_module import command_of
from tests.support import REPOSITORY
from tests.test_layers import RANK, modules


@pytest.mark.parametrize("through", ["the working folder", "PYTHONPATH"])
def test_another_module_of_that_name_is_not_taken(through: str, tmp_path: Path) -> None:
    """People type commands in repositories that have a `tasks`, `models` or `settings.py` too."""
    for name in ("settings.py", "tasks.py"):
        (tmp_path / name).write_text("raise SystemExit('somebody else')")
    here = through == "the working folder"
    variables = {**os.environ, "PYTHONPATH": "" if here else str(tmp_path)}
    done = subprocess.run(
        command_of("tasks.fetch"),
        cwd=tmp_path if here else "/", env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_of_the_working_folder_is_taken_before_the_path_is_set(tmp_path: Path) -> None:
    """Without `site`, as in an environment that has nothing installed to be edited, little is loaded before."""
    for name in ("warnings.py", "contextlib.py", "types.py"):
        (tmp_path / name).write_text("raise SystemExit('somebody else')")
    python, *rest = command_of("settings.spacing")
    done = subprocess.run(
        [python, "-S", *rest], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_main_and_has_the_words_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        command_of("timeit", "-n", "1", "-r", "1", "import settings.spacing; print(settings.spacing.__file__)"),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith(f"{REPOSITORY}/settings/spacing.py\n") and "1 loop" in done.stdout


def test_nobody_runs_one_otherwise() -> None:
    """`-m` and the name of one of our modules, in a list of words."""
    found = [
        f"{file.relative_to(REPOSITORY)}:{node.lineno}"
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple)
        for flag, name in zip(node.elts, node.elts[1:])
        if isinstance(flag, ast.Constant) and flag.value == "-m"
        and isinstance(name, ast.Constant) and str(name.value).partition(".")[0] in RANK
    ]  # fmt: skip
    assert found == []
