"""A state that is not what was written, and stores and bundles of others."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from db.engine import Database
from trials.circumstances.masters import (
    Case,
    Masters,
    case_of,
    copied,
    damage,
    log_of,
    state_of,
    unmark,
)


def overwritten_pages(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    damage(case.home / "state.db")
    return case


def overwritten_header(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    damage(case.home / "state.db", start=0, every=1 << 40, length=64)
    return case


def zeroed_end(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    file = case.home / "state.db"
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(size // 2)
        stream.write(bytes(size - size // 2))
    return case


def cut_off(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    os.truncate(case.home / "state.db", (case.home / "state.db").stat().st_size * 3 // 5)
    return case


def a_first_page_alone(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    os.truncate(case.home / "state.db", 4096)
    return case


def leftover_log(m: Masters, folder: Path) -> Case:
    """A sound copy over the log of a process that was killed."""
    case = case_of(folder, m.early)
    shutil.copy(log_of(m.later, folder), case.home / "state.db-wal")
    return case


def wrong_values(m: Masters, folder: Path) -> Case:
    """Bytes overwritten within a row: SQLite finds nothing wrong."""
    case = case_of(folder, m.whole)
    database = Database(f"sqlite:///{case.home / 'state.db'}")
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE job SET spec = '{\"a', state = 'succeedee' WHERE kind = 'index'")
    database.close()
    return case


def text_in_its_place(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "state.db").write_text("version https://git-lfs.github.com/spec/v1\n")
    return case


def folder_in_its_place(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "state.db").unlink()
    (case.home / "state.db").mkdir()
    return case


def database_of_another_program(m: Masters, folder: Path) -> Case:
    case = case_of(folder, m.whole)
    (case.home / "state.db").unlink()
    with contextlib.closing(sqlite3.connect(case.home / "state.db")) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        connection.commit()
    return case


def artifacts_of_another_home(m: Masters, folder: Path) -> Case:
    """The state of one home, the folder of another one: a link to a disk that was changed, say."""
    case = case_of(folder, m.whole)
    other = copied(m.other, folder / "other")
    case.living.append((other, state_of(other, folder / "other-truth.db")))
    shutil.rmtree(case.home / "artifacts")
    (case.home / "artifacts").symlink_to(other / "artifacts")
    case.living = case.living[1:]
    return case


def two_homes_linked_to_one_store(m: Masters, folder: Path) -> Case:
    case = artifacts_of_another_home(m, folder)
    unmark(folder / "other")
    return case


def bundle_of_another_home(m: Masters, folder: Path) -> Case:
    """What is imported holds other work."""
    return case_of(folder, m.other)


def damaged_and_a_wrong_url(m: Masters, folder: Path) -> Case:
    case = overwritten_pages(m, folder)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'nothing.db'}"}
    return case


DAMAGED: Sequence[Callable[[Masters, Path], Case]] = (
    overwritten_pages, overwritten_header, zeroed_end, cut_off, a_first_page_alone, leftover_log,
    wrong_values, text_in_its_place, folder_in_its_place, database_of_another_program,
    artifacts_of_another_home, two_homes_linked_to_one_store, bundle_of_another_home, damaged_and_a_wrong_url,
)  # fmt: skip
