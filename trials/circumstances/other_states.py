"""Another state than that of the files beside it: elsewhere, empty, of another home, older, or gone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from db import jobs, members, ownership
from db.engine import Database
from db.migrate import open_state
from db.store import ArtifactStore
from settings.home import Home
from tests.support import start, stored
from tests.workshop import Workshop
from trials.circumstances.masters import (
    Case,
    Masters,
    case_of,
    copied,
    log_of,
    mark,
    state_of,
    unmark,
)


def url_of_no_file(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'nothing.db'}"}
    return case


def url_of_an_empty_file(m: Masters, folder: Path) -> Case:
    case = url_of_no_file(m, folder)
    (folder / "nothing.db").touch()
    return case


def url_of_an_empty_state(m: Masters, folder: Path) -> Case:
    case = url_of_no_file(m, folder)
    fresh = Home(folder / "fresh")
    fresh.create()
    open_state(fresh).close()
    state_of(fresh.root, folder / "nothing.db")
    return case


def url_of_another_home(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    other = copied(m.other, folder / "other")
    case.living.append((other, state_of(other, folder / "other-truth.db")))
    case.environment = {"BATON_STATE_URL": f"sqlite:///{other / 'state.db'}"}
    return case


def url_of_another_home_before_owners(m: Masters, folder: Path) -> Case:
    case = url_of_another_home(m, folder)
    unmark(case.home)
    return case


def url_of_an_older_copy(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.later)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{state_of(m.early, folder / 'backup.db')}"}
    return case


def url_in_the_homes_file(m: Masters, folder: Path) -> Case:
    case = url_of_an_empty_state(m, folder)
    (case.home / "home.yaml").write_text(f"database: sqlite:///{folder / 'nothing.db'}\n")
    case.environment = {}
    return case


def url_of_no_state(m: Masters, folder: Path) -> Case:
    case = url_of_no_file(m, folder)
    (folder / "nothing.db").write_text("no database at all\n" * 500)
    return case


def empty_state(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "state.db").write_bytes(b"")
    return case


def empty_state_before_owners(m: Masters, folder: Path) -> Case:
    case = empty_state(m, folder)
    unmark(case.home)
    return case


def empty_state_and_its_log(m: Masters, folder: Path) -> Case:
    case = empty_state(m, folder)
    shutil.copy(log_of(m.whole, folder), case.home / "state.db-wal")
    return case


def no_state(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "state.db").unlink()
    return case


def fresh_state_in_its_place(m: Masters, folder: Path) -> Case:
    case = url_of_an_empty_state(m, folder)
    shutil.copy(folder / "nothing.db", case.home / "state.db")
    case.environment = {}
    return case


def state_of_another_home(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    state_of(m.other, case.home / "state.db")
    return case


def state_of_another_home_before_owners(m: Masters, folder: Path) -> Case:
    case = state_of_another_home(m, folder)
    unmark(case.home)
    return case


def older_state_put_back(m: Masters, folder: Path) -> Case:
    """The newer state is still there, under another name."""
    case = case_of(folder, m.later)
    state_of(m.early, case.home / "state.db")
    return case


def older_state_went_on(m: Masters, folder: Path) -> Case:
    case = older_state_put_back(m, folder)
    workshop = Workshop(case.home)
    workshop.claim("train")
    workshop.stop("train")
    mark(workshop)
    workshop.close()
    return case


def two_copies_went_on(m: Masters, folder: Path) -> Case:
    """The home's own state, and a copy of it that a URL names: both worked on one store."""
    case = case_of(folder, m.whole)
    copy = Database(f"sqlite:///{state_of(case.home, folder / 'copy.db')}")
    home = Home(case.home)
    for database, content in ((open_state(home), b"one" * 99), (copy, b"two" * 99)):
        worker = members.join(database, "worker", "cpu", None, time.time())
        ownership.note(home, database)
        claim = start(database, "train", worker)
        file = stored(ArtifactStore(home), case.home, "weights", content, final=False)
        jobs.publish(database, claim, 5, [file], [], jobs.Seconds(), time.time())
        members.leave(database, worker, time.time())
        ownership.note(home, database)
        database.close()
    case.living = [
        (case.home, state_of(case.home, folder / "truth.db")),
        (case.home, Path(shutil.copy(folder / "copy.db", folder / "truth2.db"))),
    ]
    return case


def copy_of_two_that_went_on(m: Masters, folder: Path) -> Case:
    case = two_copies_went_on(m, folder)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'copy.db'}"}
    return case


OTHER_STATES: Sequence[Callable[[Masters, Path], Case]] = (
    url_of_no_file, url_of_an_empty_file, url_of_an_empty_state, url_of_another_home,
    url_of_another_home_before_owners, url_of_an_older_copy, url_in_the_homes_file, url_of_no_state,
    empty_state, empty_state_before_owners, empty_state_and_its_log, no_state, fresh_state_in_its_place,
    state_of_another_home, state_of_another_home_before_owners, older_state_put_back, older_state_went_on,
    two_copies_went_on, copy_of_two_that_went_on,
)  # fmt: skip
