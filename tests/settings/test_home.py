"""The home folder: its paths, its owner, and one command at a time."""

from __future__ import annotations

import os
import shutil
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


SPELLINGS = {
    "..": "other/../home",
    "a link": "link",
    "below a link": "linked/home",
    "a doubled and a last slash": ".//home/",
    "of this user": "~/home",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_home_has_one_path_however_it_is_written(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")
    (tmp_path / "linked").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_at(spelling).root == tmp_path / "home"
    assert Home(Path(spelling)).root == tmp_path / "home"


def test_a_relative_home_is_meant_from_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "sub" / "deep")
    assert home_at("../rel").root == tmp_path / "sub" / "rel"


UNUSABLE = {
    "empty": ("", "is empty"),
    "a line break": ("a\nb", r"'.*a\\nb' holds characters that cannot be printed"),
    "an escape": ("a\x1b[31mb", "cannot be printed"),
    "no UTF-8": (os.fsdecode(b"a\xff"), r"a\\udcff' holds characters that cannot be printed"),
    "a loop of links": ("loop", "'loop' cannot be found"),
    "a long name": ("x" * 256, "too long"),
    "a long path": ("/".join(["x" * 100] * 5), r"too long \(\d+ bytes: at most 400"),
    "a home of nobody": ("~nobody-of-this-name/home", "cannot be found"),
}


@pytest.mark.parametrize(("path", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_path_that_no_home_can_have_is_refused(
    path: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InvalidInput, match=why) as refused:
        home_at(path)
    assert str(refused.value).isprintable(), "a terminal shows it as it is"


def test_a_folder_that_is_gone_is_told_and_whole_paths_work_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InvalidInput, match="'baton-home' is relative to a folder that is gone"):
        home_at(None)
    assert home_at(tmp_path / "home").root == tmp_path / "home"


def test_a_variable_that_says_nothing_names_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATON_HOME", "")
    assert home_at(None).root == tmp_path / "baton-home"


def test_a_home_is_shown_as_people_type_it(tmp_path: Path) -> None:
    assert Home(tmp_path / "it's mine").argument == f"""'{tmp_path}/it'"'"'s mine'"""
    assert Home(tmp_path / "plain").argument == f"{tmp_path}/plain"


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    home = Home(tmp_path / "shared")
    home.logs.mkdir(parents=True)
    home.root.chmod(0o2775)
    home.logs.chmod(0o750)
    home.create()
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in (home.root, *home.folders)}
    assert (modes.pop(home.root), modes.pop(home.logs)) == (0o2775, 0o750)
    assert {mode & 0o777 for mode in modes.values()} == {0o700}, "what Baton made is for its owner"


def test_nothing_is_made_where_something_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for home in (Home(tmp_path / "file"), Home(tmp_path / "file" / "home")):
        assert not home.exists
        refused = home.obstacle()
        assert refused is not None and "is no folder" in str(refused)
        with pytest.raises(InvalidInput, match="is no folder"):
            home.create()


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


@pytest.mark.parametrize("swept", ["run/lock", "run"])
def test_a_home_stays_held_when_its_lock_is_swept_away(swept: str, home: Home) -> None:
    with home.exclusive("up"):
        place = home.root / swept
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        home.create()
        with pytest.raises(HomeInUse, match="another command"), home.exclusive("up"):
            pytest.fail("both hold the home")
    with home.exclusive("up"):
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


def test_a_state_that_was_moved_and_linked_has_its_log_beside_the_file(home: Home, tmp_path: Path) -> None:
    """There SQLite has it, whatever the link's folder holds."""
    assert home.state_db == home.root / "state.db"
    moved = tmp_path / "disk" / "baton.db"
    home.state_db.symlink_to(moved)
    assert home.state == home.state_db == moved
    assert home.state_files == (moved, moved.with_name("baton.db-wal"), moved.with_name("baton.db-shm"))
