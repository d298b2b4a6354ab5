"""Small homes with checkpoints, results and things in between, and the ways to bring a copy of one out of order."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import cli
from db import jobs, ownership
from db.engine import Database
from db.migrate import open_state
from db.states import SUCCEEDED
from db.store import OWNER_FILES
from settings.home import Home
from tests.support import planned, stored, submit
from tests.workshop import ABLATION, KINDS, Workshop

#: An ablation that nobody needs, and its only job of its own: `ablation remove` may take both.
SPARE = "spare"


@dataclass
class Case:
    """What a command works on. living: (folder of a home, a copy of its true state). environment: of the command."""

    folder: Path
    home: Path
    living: list[tuple[Path, Path]]
    environment: dict[str, str] = field(default_factory=dict)
    bundle: Path | None = None


@dataclass(frozen=True)
class Masters:
    """Homes that cases are copied from. early: `whole` before its checkpoints 3 and 4; later: after it went on."""

    early: Path
    whole: Path
    later: Path
    other: Path
    bundle: Path
    early_bundle: Path


def make_masters(folder: Path) -> Masters:
    workshop = begin(folder / "whole", "baseline")
    claim = workshop.claim("train")
    for step in (1, 2):
        workshop.publish(claim, step)
    workshop.stop("train")
    mark(workshop)
    workshop.close()
    shutil.copytree(folder / "whole", folder / "early")
    quiet("--home", folder / "whole", "bundle", "export", folder / "early.bundle")
    workshop = Workshop(folder / "whole")
    claim = workshop.claim("train")
    for step in (3, 4):
        workshop.publish(claim, step)
    workshop.stop("train")
    mark(workshop)
    workshop.close()
    quiet("--home", folder / "whole", "bundle", "export", folder / "one.bundle")
    shutil.copytree(folder / "whole", folder / "later")
    workshop = Workshop(folder / "later")
    workshop.finish("train")
    workshop.finish("evaluate")
    mark(workshop)
    workshop.close()
    other = begin(folder / "other", "other")
    other.close()
    return Masters(
        folder / "early", folder / "whole", folder / "later", folder / "other", folder / "one.bundle",
        folder / "early.bundle",
    )  # fmt: skip


def begin(root: Path, salt: str) -> Workshop:
    """A home with a state of its own, not a copy of the empty one that tests share."""
    Home(root).create()
    open_state(Home(root)).close()
    workshop = Workshop(root)
    workshop.submit()
    submit(workshop.database, ABLATION[0], planned(SPARE, ["ingest"], kind="evaluate"), key=SPARE)
    for label in ("ingest", "gaze 1", "gaze 2", "index", SPARE):
        workshop.finish(label, None) if salt == "baseline" else _finish_otherwise(workshop, label)
    mark(workshop)
    return workshop


def _finish_otherwise(workshop: Workshop, label: str) -> None:
    claim = workshop.claim(label)
    file = stored(
        workshop.store,
        workshop.home.root,
        "result",
        f"another {label}".encode() * 90,
        kind=KINDS.get(label, label),
    )
    ending = jobs.Ending(SUCCEEDED, claim.target_steps, artifacts=[file], result={})
    jobs.succeed(workshop.database, claim, ending, time.time())


def mark(workshop: Workshop) -> None:
    """As workers and schedulers do."""
    workshop.leave()
    ownership.note(workshop.home, workshop.database)


def copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def state_of(source: Path, target: Path) -> Path:
    return Path(shutil.copy(source / "state.db", target))


def case_of(folder: Path, master: Path) -> Case:
    home = copied(master, folder / "home")
    return Case(folder, home, [(home, state_of(home, folder / "truth.db"))])


def damage(file: Path, start: int = 8192, every: int = 12288, length: int = 2000) -> None:
    """Pages overwritten, as a copy onto a failing disk leaves them."""
    noise = random.Random(0)
    with file.open("r+b") as stream:
        for at in range(start, file.stat().st_size, every):
            stream.seek(at)
            stream.write(noise.randbytes(length))


def unmark(home: Path) -> None:
    """As the store of a home of before stores had owners."""
    for name in OWNER_FILES:
        (home / "artifacts" / name).unlink(missing_ok=True)


def log_of(master: Path, folder: Path) -> Path:
    """A write-ahead log with the changes of another moment, as a process that was killed leaves it."""
    home = copied(master, folder / "log-of")
    database = Database(f"sqlite:///{home / 'state.db'}")
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE job SET learned = hex(randomblob(3000)), error = hex(randomblob(3000))")
    copy = folder / "leftover-wal"
    shutil.copy(home / "state.db-wal", copy)
    database.close()
    return copy


def quiet(*arguments: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = cli.main([str(argument) for argument in arguments])
    assert code == 0, arguments


@contextlib.contextmanager
def masters_in(folder: Path) -> Iterator[Masters]:
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("BATON_")]:
            del os.environ[name]
        yield make_masters(folder)
