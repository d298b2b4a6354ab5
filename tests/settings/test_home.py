"""The home folder: its paths, its owner, and one command at a time."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from errors import HomeInUse, InvalidInput
from settings.home import Home, home_at
from tests.support import REPOSITORY


def test_which_home_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home_at(None).root == tmp_path / "baton-home"
    monkeypatch.setenv("BATON_HOME", str(tmp_path / "of-environment"))
    assert home_at(None).root == tmp_path / "of-environment"
    assert home_at("given").root == tmp_path / "given"
    assert list(tmp_path.iterdir()) == [], "naming a home creates nothing"


def test_only_the_owner_sees_a_home(home: Home) -> None:
    for folder in (home.root, home.artifacts, home.scratch, home.reports, home.logs, home.run):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    home.create()


def test_paths_are_stored_relative_to_the_home(home: Home) -> None:
    assert home.relative(home.artifacts / "ab" / "x") == "artifacts/ab/x"
    with pytest.raises(ValueError, match="not in the subpath"):
        home.relative(Path("/etc/passwd"))


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("mine")
    with pytest.raises(InvalidInput, match=r"cannot write the home folder .*home"):
        Home(tmp_path / "home").create()


def test_a_home_is_run_by_one_command_and_free_after_it(home: Home) -> None:
    with home.exclusive("up"), pytest.raises(HomeInUse, match="'up'"), home.exclusive("submit-ablation"):
        pytest.fail("both hold the home")
    with home.exclusive("submit-ablation"):
        pass


def test_the_lock_dies_with_its_process(home: Home) -> None:
    script = (
        "import sys, signal\nfrom pathlib import Path\nfrom settings.home import Home\n"
        "with Home(Path(sys.argv[1])).exclusive('up'):\n"
        "    print('held', flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home.root)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(HomeInUse, match=str(holder.pid)), home.exclusive("up"):
            pytest.fail("both hold the home")
        holder.send_signal(signal.SIGKILL)
    with home.exclusive("up"):
        pass
