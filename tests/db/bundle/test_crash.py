"""SIGKILL at every step of an import and of an export: the home is the old one or the new one, never between.

A child process numbers what it does to the disk (files made, renamed, removed, synced) and to the state (every
statement of the transaction that takes over) and dies before the n-th; the test tries every n.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import verification
from db.bundle import lineage, receive
from db.bundle.archive import read_manifest
from db.engine import sqlite_module
from db.migrate import open_state
from db.store import ArtifactStore
from settings.home import Home
from tests.db.bundle.conftest import bring_in, take_out
from tests.support import RETENTION
from tests.workshop import Workshop, dump

pytestmark = pytest.mark.slow

#: Python's own names of the events that change something on the disk.
_CHANGES = {"os.link", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate"}


class Fuse:
    """Burns down with every step, then kills the process."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def burn(self) -> None:
        self._left -= 1
        if self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        ):
            self.burn()

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def burning(*arguments: Any, **keywords: Any) -> Any:
            self.burn()
            return function(*arguments, **keywords)

        return burning


class Statements:
    """A SQLite connection whose statements are steps, those about most tables excepted: they are all alike."""

    def __init__(self, connection: Any, fuse: Fuse) -> None:
        self._connection = connection
        self._fuse = fuse
        self.close = connection.close

    def execute(self, statement: str, *arguments: Any) -> Any:
        if 'main."' not in statement or any(f'main."{table}"' in statement for table in ("job", "handover")):
            self._fuse.burn()
        return self._connection.execute(statement, *arguments)


class Module:
    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def connect(self, *arguments: Any, **keywords: Any) -> Statements:
        return Statements(sqlite_module().connect(*arguments, **keywords), self._fuse)


def dies(steps: int, work: Callable[[], object]) -> bool:
    """Do the work in a child that is killed before its n-th step. Returns whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            fuse = Fuse(steps)
            os.fsync, os.sync = fuse.before(os.fsync), fuse.before(os.sync)
            receive.sqlite_module = lambda: Module(fuse)  # type: ignore[assignment,return-value]
            sys.addaudithook(fuse.audit)
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed by itself"
    return os.WIFSIGNALED(status)


def facts_of(home: Home) -> str | None:
    if not home.state_db.exists():
        return None
    database = open_state(home)
    with database.read() as tx:
        empty = lineage.is_empty(tx.exec_driver_sql)
        facts = lineage.facts(tx.exec_driver_sql)
    assert {entry.state for entry in verification.verify(database, ArtifactStore(home), RETENTION)} <= {
        verification.OK
    }
    database.close()
    return None if empty else facts


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path, Home]:
    """A first bundle, a second that follows it, and the home that made both."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.finish("ingest")
    workshop.close()
    take_out(workshop.home, tmp_path / "first.bundle")
    workshop = Workshop(tmp_path / "home")
    workshop.finish("gaze 1")
    workshop.close()
    take_out(workshop.home, tmp_path / "second.bundle", since="last")
    return tmp_path / "first.bundle", tmp_path / "second.bundle", workshop.home


def test_an_import_into_an_older_home(two: tuple[Path, Path, Home], tmp_path: Path) -> None:
    first, second, _ = two
    template = Home(tmp_path / "template")
    bring_in(template, first)
    before = facts_of(template)
    shutil.copytree(template.root, tmp_path / "after")
    after_home = Home(tmp_path / "after")
    bring_in(after_home, second)
    after, rows = facts_of(after_home), dump(after_home)
    steps, seen = 0, []
    while True:
        home = Home(tmp_path / f"home {steps}")
        shutil.copytree(template.root, home.root)
        died = dies(steps, lambda home=home: bring_in(home, second))  # type: ignore[misc]
        seen.append(facts_of(home))
        assert seen[-1] in (before, after)
        if not died:
            break
        if steps % 6 == 0:
            assert bring_in(home, second).already == (seen[-1] == after)
            again = dump(home)
            assert {t: r for t, r in again.items() if t != "event"} == {
                t: r for t, r in rows.items() if t != "event"
            }
            assert list(home.scratch.iterdir()) == []
        shutil.rmtree(home.root)
        steps += 1
    assert steps > 30, "there were fewer steps than an import has"
    turn = seen.index(after)
    assert seen == [before] * turn + [after] * (len(seen) - turn), "old until one step, new from then on"
    assert 0 < turn < len(seen) - 1


def test_an_import_into_nothing(two: tuple[Path, Path, Home], tmp_path: Path) -> None:
    first = two[0]
    whole = Home(tmp_path / "whole")
    bring_in(whole, first)
    after = facts_of(whole)
    steps = 0
    while True:
        home = Home(tmp_path / f"home {steps}")
        died = dies(steps, lambda home=home: bring_in(home, first))  # type: ignore[misc]
        assert facts_of(home) in (None, after)
        if not died:
            break
        bring_in(home, first)
        assert facts_of(home) == after
        shutil.rmtree(home.root)
        steps += 4  # the steps in between are those of the test above
    assert facts_of(home) == after


def test_an_export(two: tuple[Path, Path, Home], tmp_path: Path) -> None:
    home = two[2]
    before = facts_of(home)
    steps, whole = 0, []
    while True:
        target = tmp_path / "out" / f"{steps}.bundle"
        target.parent.mkdir(exist_ok=True)
        died = dies(steps, lambda target=target: take_out(home, target))  # type: ignore[misc]
        assert facts_of(home) == before
        whole.append(target.exists())
        if target.exists():
            with target.open("rb") as stream:
                read_manifest(stream, target.stat().st_size)
            bring_in(Home(tmp_path / "fresh"), target)
            shutil.rmtree(tmp_path / "fresh")
        if not died:
            break
        steps += 1
    assert steps >= 5 and whole == sorted(whole) and whole[-1]
    take_out(home, tmp_path / "out" / "0.bundle", since="last")
    leftovers = [path.name for path in (tmp_path / "out").iterdir() if path.name == ".partial.0.bundle"]
    assert leftovers == [], "what a killed export left is used again"
