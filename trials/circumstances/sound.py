"""Circumstances in which nothing is wrong: commands must succeed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from db.owner import read_owner
from db.store import OWNER
from settings.home import Home
from trials.circumstances.masters import (
    Case,
    Masters,
    case_of,
    copied,
    quiet,
    state_of,
    unmark,
)


def undisturbed(m: Masters, folder: Path) -> Case:
    return case_of(folder, m.whole)


def copied_folder(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    case.home = copied(case.home, folder / "copy")
    case.living.append((case.home, case.living[0][1]))
    return case


def moved_folder(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    case.home = case.home.rename(folder / "moved")
    case.living = [(case.home, case.living[0][1])]
    return case


def home_of_before_owners(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    unmark(case.home)
    return case


def home_of_a_bundle(m: Masters, folder: Path) -> Case:
    home = folder / "imported"
    quiet("--home", home, "bundle", "import", m.bundle)
    return Case(folder, home, [(home, state_of(home, folder / "truth.db"))])


def whole_home_put_back(m: Masters, folder: Path) -> Case:
    """The whole folder of an earlier day over a home that went on."""
    case = case_of(folder, m.later)
    shutil.rmtree(case.home)
    copied(m.early, case.home)
    case.living = [(case.home, state_of(case.home, folder / "truth.db"))]
    return case


def state_moved_elsewhere(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "state.db").rename(folder / "moved.db")
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'moved.db'}"}
    return case


def half_of_the_files(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    home = copied(case.home, folder / "half")
    for number, file in enumerate(sorted(home.glob("artifacts/??/*"))):
        if number % 2:
            file.unlink()
    case.home = home
    return case


def copied_without_artifacts(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    case.home = copied(case.home, folder / "bare")
    shutil.rmtree(case.home / "artifacts")
    Home(case.home).create()
    return case


def owner_file_damaged(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "artifacts" / OWNER).write_bytes(b"\0" * 90)
    return case


def owner_half_written(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "artifacts" / ".partial..owner").write_text('{"states": ["')
    return case


def importing_died_after_its_commit(m: Masters, folder: Path) -> Case:
    case = home_of_a_bundle(m, folder)
    home = Home(case.home)
    owner = read_owner(home)
    assert owner is not None
    text = {"states": ["0" * 32, *owner.states], "copies": False, "marks": owner.marks}
    (home.artifacts / OWNER).write_text(json.dumps(text))
    return case


SOUND: Sequence[Callable[[Masters, Path], Case]] = (
    undisturbed, copied_folder, moved_folder, home_of_before_owners, home_of_a_bundle, whole_home_put_back,
    state_moved_elsewhere, half_of_the_files, copied_without_artifacts, owner_file_damaged, owner_half_written,
    importing_died_after_its_commit,
)  # fmt: skip
