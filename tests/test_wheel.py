"""The wheel holds all that runs: in an environment without the repository, from an empty folder, with `python -I`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support import FOREIGN_VARIABLES, REPOSITORY
from trials.wheel import build


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def test_the_readme_names_what_it_puts_at_the_top(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0].removesuffix(".py") for name in archive.namelist()}
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    told = page[page.index("at the top of site-packages") :].split("\n\n")[0]
    assert {name for name in top if not name.endswith(".dist-info")} == {
        word for text in re.findall(r"`([a-z ]+)`", told) for word in text.split()
    }


def test_it_plans_and_shows_an_ablation(wheel: Path, tmp_path: Path) -> None:
    """With the libraries of the tests' own environment: `trials.wheel` installs them anew, and runs to the end."""
    venv.create(tmp_path / "environment", with_pip=False)
    python = tmp_path / "environment" / "bin" / "python"
    (place,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    (place / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    empty = tmp_path / "empty"
    empty.mkdir()
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN_VARIABLES and not name.startswith("PYTHON")
    }

    def printed(*words: str) -> object:
        done = subprocess.run(
            [python, "-I", "-m", "cli", "--home", str(tmp_path / "home"), *words, "--json"],
            cwd=empty, env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert printed("submit-ablation", "--preset", "smoke", "--detach")["jobs_added"] > 0
    assert printed("status")["ablations"][0]["name"] == "smoke"
    assert list(empty.iterdir()) == []
