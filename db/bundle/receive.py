"""Taking a bundle into a home: all of it or nothing.

Everything is unpacked and checked beside the state first. Then the files move into the store, where without
rows they are garbage, and one SQLite transaction replaces the rows. Dying before its commit leaves the old
home, dying after it the new one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from db import ownership
from db.bundle import lineage
from db.bundle.archive import STATE, Reader, read_manifest
from db.bundle.at_work import check_nobody_works
from db.bundle.contents import Judge, judge_contents
from db.bundle.inspection import inspect_state
from db.bundle.manifest import Manifest
from db.bundle.names import need_bundle
from db.engine import BUSY_TIMEOUT_SECONDS, Database, sqlite_module
from db.migrate import open_state, revisions, upgrade
from db.network_file import give_back, hold, is_shared
from db.owner import Owner
from db.schema import Base
from db.store import ArtifactStore, file_sha256
from errors import BundleError, HomeInUse, InvalidInput
from settings.faults import need_fact, need_mistake
from settings.home import Home
from settings.lease import Lease
from settings.near_files import near_place
from settings.ownership import refusal
from settings.regular import open_regular

_STAGING = "import-"

#: The copied state is staged, written to the log and then to the database.
_STATE_COPIES = 3


@dataclass(frozen=True)
class Imported:
    """already: the home held this bundle, and nothing was changed. files: artifacts that came with it. left_out:
    programs that it named, which run only where this machine names them."""

    key: str
    already: bool
    files: int
    bytes: int
    left_out: tuple[str, ...]


def receive(
    home: Home,
    source: Path,
    now: float,
    judge: Judge,
    on_bytes: Callable[[int, int], None] = lambda _done, _total: None,
) -> Imported:
    """Import the bundle `source` into an empty or an older home.

    judge: decides what its jobs may be told. on_bytes: told (bytes unpacked, bytes in all). Raises BundleError when the
    bundle is damaged, unsafe or does not continue this home, HomeInUse when a command or worker is at it; either way
    the home is as it was.
    """
    if not home.state_in_home:
        raise InvalidInput(
            f"a bundle is imported into the SQLite state of a home; this one's is in {home.state_place}"
        )
    if home.artifacts_url is not None:
        raise InvalidInput(
            f"a bundle is imported into the folder of a home; its artifacts are in {home.artifacts_place}"
        )
    try:
        need_bundle(source)
        with _plain_file(source) as stream:
            manifest = read_manifest(stream, os.fstat(stream.fileno()).st_size)
            stream.seek(0)
            before = {path.name for path in home.root.iterdir()} if home.root.is_dir() else None
            home.create()
            with (
                home.exclusive("bundle import"),
                _home_or_nothing(home, before),
                _held(home.state_db) as lease,
            ):
                return _receive(home, stream, manifest, now, judge, on_bytes, lease)
    except BundleError as error:
        raise BundleError(f"{source}: {error}") from None
    except PermissionError as error:
        raise refusal("use", Path(error.filename or home.root)) from None
    except OSError as error:
        need_mistake(error)
        raise InvalidInput(f"cannot import {source}: {error.strerror or error}") from None
    except sqlite_module().OperationalError as error:  # the disk is full, or another process holds the state
        raise InvalidInput(f"cannot import {source}: {error}") from None


@contextmanager
def _held(state: Path) -> Iterator[Lease | None]:
    """Where other machines see the state too, none of them works with it until the import is through."""
    if not is_shared(state):
        yield None
        return
    lease = hold(state)
    try:
        yield lease
    finally:
        give_back(state, lease)


def _receive(
    home: Home,
    stream: BinaryIO,
    manifest: Manifest,
    now: float,
    judge: Judge,
    on_bytes: Callable[[int, int], None],
    lease: Lease | None,
) -> Imported:
    for left_over in home.scratch.glob(f"{_STAGING}*"):  # of an import that was killed
        shutil.rmtree(left_over)
    before = None
    if _has_state(home):
        before = _facts_of(home, manifest)
        if before is None:
            return Imported(manifest.key, True, 0, 0, ())
    store = ArtifactStore(home)
    _check_space(home, manifest)
    size = manifest.state_bytes + sum(file.bytes for file in manifest.inside)
    with store.publication(), store.scratch(f"{_STAGING}{manifest.key}") as folder:
        _unpack(stream, manifest, folder, size, on_bytes)
        inspect_state(folder / STATE, manifest)
        _check_earlier(store, manifest)
        _bring_up_to_date(folder / STATE, manifest)
        judge_contents(folder / STATE, judge)
        with closing(Database(folder / STATE)) as staged:
            if before is None:
                ownership.expect(home, staged)
            else:
                _share(home, folder / STATE)
        store.adopt({file.path: folder / Path(file.path).name for file in manifest.inside})
        owner = _share(home, folder / STATE)
        here = f"bundle {manifest.key[:8]} was imported on {socket.gethostname()}"
        said: list[tuple[float, str, str | None]] = [(now, here, json.dumps({"imported": manifest.key}))]
        said += [(now, f"a bundle names no program: {name} was left out", None) for name in judge.left_out]
        _take_over(home, folder / STATE, before, said, lease)
        ownership.settle(home, owner)
    return Imported(manifest.key, False, len(manifest.inside), size, judge.left_out)


def _has_state(home: Home) -> bool:
    """Not so where a copy onto a full disk has left an empty file."""
    return home.state_db.exists() and home.state_db.stat().st_size > 0


def _facts_of(home: Home, manifest: Manifest) -> str | None:
    """The facts of the home that the bundle may replace; None when the home holds the bundle already."""
    database = open_state(home, check_owner=False, check_new=False)
    try:
        with database.read() as tx:
            mine = lineage.history(tx.exec_driver_sql)
            facts = lineage.facts(tx.exec_driver_sql)
            attempts = lineage.attempts(tx.exec_driver_sql)
            empty = lineage.is_empty(tx.exec_driver_sql)
            known = lineage.before_removals(facts, lineage.removals(tx.exec_driver_sql))
        if not empty and lineage.already_holds(mine, manifest.history):
            return None
        check_nobody_works(database)
    finally:
        database.close()
    if not empty:
        lineage.check_continues(mine, known, attempts, manifest.history)
    return facts


def _check_space(home: Home, manifest: Manifest) -> None:
    needed = _STATE_COPIES * manifest.state_bytes + sum(file.bytes for file in manifest.inside)
    free = shutil.disk_usage(home.root).free
    if needed > free:
        raise BundleError(f"it takes {needed} bytes, and {home.root} has {free} left")


def _unpack(
    stream: BinaryIO, manifest: Manifest, folder: Path, total: int, on_bytes: Callable[[int, int], None]
) -> None:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_bytes(done, total)

    reader = Reader(stream, count)
    if reader.manifest()[0] != manifest:
        raise BundleError("it was changed while it was being read")
    with _new_file(folder / STATE) as target:
        reader.state(manifest, target)
    for file in manifest.inside:
        with _new_file(folder / Path(file.path).name) as target:
            reader.file(file, target)
    reader.end()


def _check_earlier(store: ArtifactStore, manifest: Manifest) -> None:
    """What an earlier bundle brought must be here, and right."""
    for file in manifest.files:
        if file.inside:
            continue
        try:
            found = file_sha256(store.path(file.path))
        except FileNotFoundError:
            raise BundleError(
                f"it continues bundle {str(manifest.since)[:8]}, which brought {file.path}, and this home does not "
                "have that; import that bundle first, or export again without --since"
            ) from None
        if found != file.sha256:
            raise BundleError(
                f"it needs {file.path} of this home, which is damaged here; export again without --since"
            )


def _bring_up_to_date(state: Path, manifest: Manifest) -> None:
    if manifest.version == revisions()[0]:
        return
    database = Database(state)
    with database.write() as tx:
        upgrade(tx)
    database.close()


def _share(home: Home, state: Path) -> Owner:
    """From now on the home has a state, which owns the store together with the bundle's."""
    with (
        closing(Database(state)) as staged,
        closing(open_state(home, check_owner=False, check_new=False)) as mine,
    ):
        ownership.need_place(home, staged, mine)
        return ownership.share(home, staged, mine)


def _take_over(
    home: Home,
    state: Path,
    before: str | None,
    said: Sequence[tuple[float, str, str | None]],
    lease: Lease | None,
) -> None:
    """Replace every row in one transaction. Code that was allowed here stays so.

    before: the facts that the bundle was found to continue; None where there was no state. said: events (time, message,
    JSON).
    """
    connection = sqlite_module().connect(
        home.state_db.as_uri(), timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, uri=True
    )
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=OFF")  # all rows go before any comes; they were checked
        connection.execute("ATTACH ? AS bundle", (f"{state.as_uri()}?mode=ro",))
        holding = "" if lease is None else lease.enter()
        connection.execute("BEGIN IMMEDIATE")
        changed = (
            not lineage.is_empty(connection.execute)
            if before is None
            else lineage.facts(connection.execute) != before
        )
        if changed:
            raise HomeInUse(f"{home.root} was changed by another command meanwhile; try again")
        allowed = connection.execute("SELECT digest FROM main.code WHERE allowed").fetchall()
        for table in Base.metadata.tables:
            columns = ", ".join(f'"{column.name}"' for column in Base.metadata.tables[table].columns)
            connection.execute(f'DELETE FROM main."{table}"')
            connection.execute(
                f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM bundle."{table}"'
            )
        for digest in allowed:
            connection.execute("UPDATE main.code SET allowed = 1 WHERE digest = ?", digest)
        for event in said:
            connection.execute(
                "INSERT INTO main.event (at, kind, message, data) VALUES (?, 'bundle', ?, ?)", event
            )
        if lease is not None:
            lease.confirm(holding)
        connection.execute("COMMIT")
    finally:
        connection.close()


@contextmanager
def _plain_file(source: Path) -> Iterator[BinaryIO]:
    try:
        stream = open_regular(source)
    except OSError as error:
        need_fact(error)
        raise BundleError(f"it cannot be read: {error.strerror}{near_place(source)}") from None
    with stream:
        yield stream


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream


@contextmanager
def _home_or_nothing(home: Home, before: Set[str] | None) -> Iterator[None]:
    """Where there is no state yet and there shall be none, what was made meanwhile goes again.

    before: names of what lay in the home's folder; None when there was no folder.
    """
    try:
        yield
    except BaseException:
        if not home.state_db.exists():
            for path in home.root.iterdir():
                if path.name in (before or ()):
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            if before is None:
                home.root.rmdir()
        raise
