"""Everything that removes something, in every wrong circumstance: what a living home needs is still there.

    python -m trials.removal [--json FILE]

A small home with checkpoints, results and things in between is made once. For every circumstance (another state, an
empty, damaged or older one, two homes on one store, ...) and every command that removes files or rows, a copy of it is
brought into that circumstance and the command is run. Then every artifact that a living home still needs must have its
bytes, and the command must have ended with one of its exit codes and not in a traceback. `sound`: circumstances in
which nothing is wrong, where the command must succeed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import cli
from db import jobs, members, ownership
from db.engine import Database
from db.migrate import open_state
from db.needed import NEEDED, producers, shown_in_reports, verdicts
from db.states import SUCCEEDED
from db.store import OWNER, OWNER_FILES, ArtifactStore, file_sha256
from settings.home import Home
from tests.support import start, stored
from tests.workshop import KINDS, Workshop
from workers.space import Space

RESULTS = Path(__file__).parent / "results" / "removal.json"


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
    workshop = _begin(folder / "whole", "baseline")
    claim = workshop.claim("train")
    for step in (1, 2):
        workshop.publish(claim, step)
    workshop.stop("train")
    _mark(workshop)
    workshop.close()
    shutil.copytree(folder / "whole", folder / "early")
    _quiet("--home", folder / "whole", "bundle", "export", folder / "early.bundle")
    workshop = Workshop(folder / "whole")
    claim = workshop.claim("train")
    for step in (3, 4):
        workshop.publish(claim, step)
    workshop.stop("train")
    _mark(workshop)
    workshop.close()
    _quiet("--home", folder / "whole", "bundle", "export", folder / "one.bundle")
    shutil.copytree(folder / "whole", folder / "later")
    workshop = Workshop(folder / "later")
    workshop.finish("train")
    workshop.finish("evaluate")
    _mark(workshop)
    workshop.close()
    other = _begin(folder / "other", "other")
    other.close()
    return Masters(
        folder / "early", folder / "whole", folder / "later", folder / "other", folder / "one.bundle",
        folder / "early.bundle",
    )  # fmt: skip


def _begin(root: Path, salt: str) -> Workshop:
    """A home with a state of its own, not a copy of the empty one that tests share."""
    Home(root).create()
    open_state(Home(root)).close()
    workshop = Workshop(root)
    workshop.submit()
    for label in ("ingest", "gaze 1", "gaze 2", "index"):
        workshop.finish(label, None) if salt == "baseline" else _finish_otherwise(workshop, label)
    _mark(workshop)
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


def _mark(workshop: Workshop) -> None:
    """As workers and schedulers do."""
    workshop.leave()
    ownership.note(workshop.home, workshop.database)


def _copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def _state(source: Path, target: Path) -> Path:
    return Path(shutil.copy(source / "state.db", target))


def _case(folder: Path, master: Path) -> Case:
    home = _copy(master, folder / "home")
    return Case(folder, home, [(home, _state(home, folder / "truth.db"))])


def _damage(file: Path, start: int = 8192, every: int = 12288, length: int = 2000) -> None:
    """Pages overwritten, as a copy onto a failing disk leaves them."""
    noise = random.Random(0)
    with file.open("r+b") as stream:
        for at in range(start, file.stat().st_size, every):
            stream.seek(at)
            stream.write(noise.randbytes(length))


def _unmark(home: Path) -> None:
    """As the store of a home of before stores had owners."""
    for name in OWNER_FILES:
        (home / "artifacts" / name).unlink(missing_ok=True)


def _log_of(master: Path, folder: Path) -> Path:
    """A write-ahead log with the changes of another moment, as a process that was killed leaves it."""
    home = _copy(master, folder / "log-of")
    database = Database(f"sqlite:///{home / 'state.db'}")
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE job SET learned = hex(randomblob(3000)), error = hex(randomblob(3000))")
    copy = folder / "leftover-wal"
    shutil.copy(home / "state.db-wal", copy)
    database.close()
    return copy


# --- nothing is wrong -----------------------------------------------------------------------------------------------


def undisturbed(m: Masters, folder: Path) -> Case:
    return _case(folder, m.whole)


def copied_folder(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    case.home = _copy(case.home, folder / "copy")
    case.living.append((case.home, case.living[0][1]))
    return case


def moved_folder(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    case.home = case.home.rename(folder / "moved")
    case.living = [(case.home, case.living[0][1])]
    return case


def home_of_before_owners(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    _unmark(case.home)
    return case


def home_of_a_bundle(m: Masters, folder: Path) -> Case:
    home = folder / "imported"
    _quiet("--home", home, "bundle", "import", m.bundle)
    return Case(folder, home, [(home, _state(home, folder / "truth.db"))])


def whole_home_put_back(m: Masters, folder: Path) -> Case:
    """The whole folder of an earlier day over a home that went on."""
    case = _case(folder, m.later)
    shutil.rmtree(case.home)
    _copy(m.early, case.home)
    case.living = [(case.home, _state(case.home, folder / "truth.db"))]
    return case


def state_moved_elsewhere(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "state.db").rename(folder / "moved.db")
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'moved.db'}"}
    return case


def half_of_the_files(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    home = _copy(case.home, folder / "half")
    for number, file in enumerate(sorted(home.glob("artifacts/??/*"))):
        if number % 2:
            file.unlink()
    case.home = home
    return case


def copied_without_artifacts(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    case.home = _copy(case.home, folder / "bare")
    shutil.rmtree(case.home / "artifacts")
    Home(case.home).create()
    return case


def owner_file_damaged(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "artifacts" / OWNER).write_bytes(b"\0" * 90)
    return case


def owner_half_written(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "artifacts" / ".owner.partial").write_text('{"states": ["')
    return case


def importing_died_after_its_commit(m: Masters, folder: Path) -> Case:
    case = home_of_a_bundle(m, folder)
    home = Home(case.home)
    owner = ownership.read_owner(home)
    assert owner is not None
    text = {"states": ["0" * 32, *owner.states], "copies": False, "marks": owner.marks}
    (home.artifacts / OWNER).write_text(json.dumps(text))
    return case


SOUND: Sequence[Callable[[Masters, Path], Case]] = (
    undisturbed, copied_folder, moved_folder, home_of_before_owners, home_of_a_bundle, whole_home_put_back,
    state_moved_elsewhere, half_of_the_files, copied_without_artifacts, owner_file_damaged, owner_half_written,
    importing_died_after_its_commit,
)  # fmt: skip


# --- something is wrong ---------------------------------------------------------------------------------------------


def url_of_no_file(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
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
    _state(fresh.root, folder / "nothing.db")
    return case


def url_of_another_home(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    other = _copy(m.other, folder / "other")
    case.living.append((other, _state(other, folder / "other-truth.db")))
    case.environment = {"BATON_STATE_URL": f"sqlite:///{other / 'state.db'}"}
    return case


def url_of_another_home_before_owners(m: Masters, folder: Path) -> Case:
    case = url_of_another_home(m, folder)
    _unmark(case.home)
    return case


def url_of_an_older_copy(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.later)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{_state(m.early, folder / 'backup.db')}"}
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
    case = _case(folder, m.whole)
    (case.home / "state.db").write_bytes(b"")
    return case


def empty_state_before_owners(m: Masters, folder: Path) -> Case:
    case = empty_state(m, folder)
    _unmark(case.home)
    return case


def empty_state_and_its_log(m: Masters, folder: Path) -> Case:
    case = empty_state(m, folder)
    shutil.copy(_log_of(m.whole, folder), case.home / "state.db-wal")
    return case


def no_state(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "state.db").unlink()
    return case


def fresh_state_in_its_place(m: Masters, folder: Path) -> Case:
    case = url_of_an_empty_state(m, folder)
    shutil.copy(folder / "nothing.db", case.home / "state.db")
    case.environment = {}
    return case


def state_of_another_home(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    _state(m.other, case.home / "state.db")
    return case


def state_of_another_home_before_owners(m: Masters, folder: Path) -> Case:
    case = state_of_another_home(m, folder)
    _unmark(case.home)
    return case


def older_state_put_back(m: Masters, folder: Path) -> Case:
    """The newer state is still there, under another name."""
    case = _case(folder, m.later)
    _state(m.early, case.home / "state.db")
    return case


def older_state_went_on(m: Masters, folder: Path) -> Case:
    case = older_state_put_back(m, folder)
    workshop = Workshop(case.home)
    workshop.claim("train")
    workshop.stop("train")
    _mark(workshop)
    workshop.close()
    return case


def two_copies_went_on(m: Masters, folder: Path) -> Case:
    """The home's own state, and a copy of it that a URL names: both worked on one store."""
    case = _case(folder, m.whole)
    copy = Database(f"sqlite:///{_state(case.home, folder / 'copy.db')}")
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
        (case.home, _state(case.home, folder / "truth.db")),
        (case.home, Path(shutil.copy(folder / "copy.db", folder / "truth2.db"))),
    ]
    return case


def copy_of_two_that_went_on(m: Masters, folder: Path) -> Case:
    case = two_copies_went_on(m, folder)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'copy.db'}"}
    return case


def overwritten_pages(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    _damage(case.home / "state.db")
    return case


def overwritten_header(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    _damage(case.home / "state.db", start=0, every=1 << 40, length=64)
    return case


def zeroed_end(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    file = case.home / "state.db"
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(size // 2)
        stream.write(bytes(size - size // 2))
    return case


def cut_off(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    os.truncate(case.home / "state.db", (case.home / "state.db").stat().st_size * 3 // 5)
    return case


def a_first_page_alone(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    os.truncate(case.home / "state.db", 4096)
    return case


def leftover_log(m: Masters, folder: Path) -> Case:
    """A sound copy over the log of a process that was killed."""
    case = _case(folder, m.early)
    shutil.copy(_log_of(m.later, folder), case.home / "state.db-wal")
    return case


def wrong_values(m: Masters, folder: Path) -> Case:
    """Bytes overwritten within a row: SQLite finds nothing wrong."""
    case = _case(folder, m.whole)
    database = Database(f"sqlite:///{case.home / 'state.db'}")
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE job SET spec = '{\"a', state = 'succeedee' WHERE kind = 'index'")
    database.close()
    return case


def text_in_its_place(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "state.db").write_text("version https://git-lfs.github.com/spec/v1\n")
    return case


def folder_in_its_place(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "state.db").unlink()
    (case.home / "state.db").mkdir()
    return case


def database_of_another_program(m: Masters, folder: Path) -> Case:
    case = _case(folder, m.whole)
    (case.home / "state.db").unlink()
    with contextlib.closing(sqlite3.connect(case.home / "state.db")) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        connection.commit()
    return case


def artifacts_of_another_home(m: Masters, folder: Path) -> Case:
    """The state of one home, the folder of another one: a link to a disk that was changed, say."""
    case = _case(folder, m.whole)
    other = _copy(m.other, folder / "other")
    case.living.append((other, _state(other, folder / "other-truth.db")))
    shutil.rmtree(case.home / "artifacts")
    (case.home / "artifacts").symlink_to(other / "artifacts")
    case.living = case.living[1:]
    return case


def two_homes_linked_to_one_store(m: Masters, folder: Path) -> Case:
    case = artifacts_of_another_home(m, folder)
    _unmark(folder / "other")
    return case


def bundle_of_another_home(m: Masters, folder: Path) -> Case:
    """What is imported holds other work."""
    return _case(folder, m.other)


def damaged_and_a_wrong_url(m: Masters, folder: Path) -> Case:
    case = overwritten_pages(m, folder)
    case.environment = {"BATON_STATE_URL": f"sqlite:///{folder / 'nothing.db'}"}
    return case


WRONG: Sequence[Callable[[Masters, Path], Case]] = (
    url_of_no_file, url_of_an_empty_file, url_of_an_empty_state, url_of_another_home, url_of_another_home_before_owners,
    url_of_an_older_copy, url_in_the_homes_file, url_of_no_state, empty_state, empty_state_before_owners,
    empty_state_and_its_log, no_state, fresh_state_in_its_place, state_of_another_home,
    state_of_another_home_before_owners, older_state_put_back, older_state_went_on, two_copies_went_on,
    copy_of_two_that_went_on, overwritten_pages, overwritten_header, zeroed_end, cut_off, a_first_page_alone,
    leftover_log, wrong_values, text_in_its_place, folder_in_its_place, database_of_another_program,
    artifacts_of_another_home, two_homes_linked_to_one_store, bundle_of_another_home, damaged_and_a_wrong_url,
)  # fmt: skip


# --- what removes something -----------------------------------------------------------------------------------------


def _automatic(home: Path) -> int:
    """As `up` does it on a disk that is nearly full."""
    database = open_state(Home(home))
    Space(database, Home(home), free_share=lambda _home: 0.01).check()
    database.close()
    return 0


#: name -> arguments after `--home HOME`; `{bundle}` and `{early_bundle}` stand for files.
COMMANDS: Mapping[str, Sequence[str]] = {
    "gc": ("artifacts", "gc"),
    "gc --spent": ("artifacts", "gc", "--spent"),
    "adopt": ("artifacts", "adopt"),
    "verify": ("artifacts", "verify"),
    "cancel": ("cancel", "--job", "train"),
    "retry": ("retry", "--job", "train"),
    "bundle import": ("bundle", "import", "{bundle}"),
    "bundle import, older": ("bundle", "import", "{early_bundle}"),
    "bundle export": ("bundle", "export", "{folder}/out.bundle"),
    "status": ("status",),
    "events": ("events",),
    "tensorboard": ("tensorboard", "--once"),
}
AUTOMATIC = "automatic gc"


@dataclass(frozen=True)
class Outcome:
    """lost: artifacts that a living home needs and that have no bytes any more. code: None for a traceback."""

    code: int | None
    said: str
    lost: list[str]


def attempt(masters: Masters, case: Case, name: str) -> Outcome:
    """Run a command in its circumstance, and look."""
    needed = _needed(case)
    out, err = io.StringIO(), io.StringIO()
    code: int | None
    with (
        mock.patch.dict(os.environ, case.environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            if name == AUTOMATIC:
                code = cli.main(["--home", str(case.home), "status"])
                if code == 0:
                    code = _automatic(case.home)
            else:
                places = {
                    "bundle": masters.bundle,
                    "early_bundle": masters.early_bundle,
                    "folder": case.folder,
                }
                arguments = [argument.format(**places) for argument in COMMANDS[name]]
                code = cli.main(["--home", str(case.home), *arguments])
        except Exception as error:
            code = None
            err.write(f"{type(error).__name__}: {error}")
    lost = [str(path) for path, digest in needed.items() if not path.exists() or file_sha256(path) != digest]
    return Outcome(code, (err.getvalue() or out.getvalue()).strip()[-400:], lost)


def _needed(case: Case) -> dict[Path, str]:
    """What each living home needs, where it has it: path -> digest."""
    found = {}
    for root, truth in case.living:
        database = Database(f"sqlite:///{truth}")
        with database.read() as tx:
            for _, producer in producers(tx, shown_in_reports(tx)):
                judged = verdicts(producer)
                for output in producer.outputs:
                    path = root / output.path
                    if judged[output.id] == NEEDED and path.exists():
                        found[path] = path.name.split(".")[0]
        database.close()
    return found


def _quiet(*arguments: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = cli.main([str(argument) for argument in arguments])
    assert code == 0, arguments


@contextlib.contextmanager
def masters_in(folder: Path) -> Iterator[Masters]:
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("BATON_")]:
            del os.environ[name]
        yield make_masters(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    cells: dict[str, dict[str, object]] = {}
    bad = 0
    with tempfile.TemporaryDirectory(prefix="baton-removal-") as temporary:
        folder = Path(temporary)
        with masters_in(folder / "masters") as masters:
            for kind, circumstances in (("sound", SOUND), ("wrong", WRONG)):
                for circumstance in circumstances:
                    of_it: dict[str, object] = {"kind": kind}
                    for name in (*COMMANDS, AUTOMATIC):
                        place = Path(tempfile.mkdtemp(dir=folder))
                        found = attempt(masters, circumstance(masters, place), name)
                        shutil.rmtree(place)
                        of_it[name] = {"code": found.code, "lost": len(found.lost)}
                        if found.lost or found.code is None:
                            bad += 1
                            print(circumstance.__name__, name, found, file=sys.stderr)
                    cells[circumstance.__name__] = of_it
                    print(circumstance.__name__, json.dumps(of_it), flush=True)
    document = {
        "what": "artifacts that a living home needs and that a command removed, and its exit code (null: a traceback)",
        "circumstances": len(cells),
        "commands": len(COMMANDS) + 1,
        "bad": bad,
        "cells": cells,
    }
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
