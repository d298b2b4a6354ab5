"""Making a bundle of a home while work goes on in it."""

from __future__ import annotations

import io
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from db.bundle import lineage
from db.bundle.archive import STATE, Writer, read_manifest, total_bytes
from db.bundle.manifest import FORMAT, File, Manifest
from db.bundle.names import need_bundle, need_name
from db.bundle.snapshot import Snapshot, note, take
from db.engine import Database, sqlite_module
from db.retention import Retention
from db.schema import Handover
from db.store import ArtifactStore, file_sha256
from errors import BundleError, InvalidInput
from settings import files
from settings.faults import LOOKS, is_unreadable, need_fact, need_mistake
from settings.home import Home
from settings.near_files import near_place
from settings.ownership import refusal
from settings.regular import open_regular

#: `--since last`: whatever bundle this home made or imported last.
LAST = "last"


@dataclass(frozen=True)
class Exported:
    """What a bundle holds. earlier: artifacts that bundle `since` brought already. absent: lost or damaged
    ones, which their jobs make again. running: attempts that go on here and start again there. recorded: whether the
    home knows of it; one that could only be read does not, and no later bundle can continue this one."""

    key: str
    since: str | None
    bytes: int
    files: int
    earlier: int
    absent: tuple[str, ...]
    running: int
    recorded: bool


@dataclass(frozen=True)
class _Earlier:
    key: str
    paths: Set[str]


class _Damaged(Exception):
    """An artifact's bytes are not those of its row."""

    def __init__(self, path: str) -> None:
        self.path = path


def export(
    db: Database,
    home: Home,
    retention: Retention,
    target: Path,
    since: str | None,
    now: float,
    on_bytes: Callable[[int, int], None] = lambda _done, _total: None,
) -> Exported:
    """Write the bundle `target`, which appears whole or not at all; in the place of an earlier bundle of this home, and
    of no other file.

    since: an earlier bundle's file, or LAST: what whoever imported it has is not sent again.
    on_bytes: told (bytes written, bytes in all). Raises BundleError or InvalidInput; the home is not changed
    but for the bundle's place in its history.
    """
    if not home.state_in_home:
        raise InvalidInput(
            f"a bundle is made of the SQLite state in a home; this one's is in {home.state_place}"
        )
    if home.artifacts_url is not None:
        raise InvalidInput(
            f"a bundle is made of the artifacts in a home; this one's are in {home.artifacts_place}"
        )
    need_name(target)
    is_new = not (target.exists() or target.is_symlink())
    if not is_new:
        _need_own(db, target)
    earlier = _earlier(db, since) if since is not None else None
    if not is_new and earlier is not None and _key_of(target) == earlier.key:
        raise InvalidInput(
            f"{target} is the bundle that --since {since} continues, and whoever has not imported it needs both: name "
            "another file"
        )
    store = ArtifactStore(home)
    damaged: set[str] = set()
    try:
        # `artifacts gc` waits until all is copied.
        with store.publication(), files.whole(target, mode=0o600, new=is_new, wait=False) as stream:
            while True:
                try:
                    snapshot, manifest, size = _write(
                        db, store, retention, stream, earlier, damaged, now, on_bytes
                    )
                    break
                except _Damaged as found:
                    damaged.add(found.path)
            if not is_new:
                _need_own(db, target)  # another file may have come there meanwhile
            # Before the file has its name: what follows this bundle must find it in this home's past.
            if db.read_only is None:
                with db.write(durable=True) as tx:
                    note(tx, snapshot.handed, [file.path for file in manifest.files])
    except FileExistsError:
        raise _already_there(target) from None
    except BlockingIOError:
        raise InvalidInput(f"{target} is being written by another process") from None
    except PermissionError as error:
        raise refusal("use", Path(error.filename or target)) from None
    except OSError as error:
        need_mistake(error)
        raise InvalidInput(f"cannot write {target}: {error.strerror or error}") from None
    except (OperationalError, sqlite_module().OperationalError) as error:  # the copy's disk is full
        raise InvalidInput(f"cannot copy the state of {home.root}: {error}") from None
    inside = len(manifest.inside)
    return Exported(
        manifest.key, manifest.since, size, inside, len(manifest.files) - inside,
        tuple(snapshot.absent), snapshot.running, db.read_only is None,
    )  # fmt: skip


def _write(
    db: Database,
    store: ArtifactStore,
    retention: Retention,
    stream: BinaryIO,
    earlier: _Earlier | None,
    damaged: Set[str],
    now: float,
    on_bytes: Callable[[int, int], None],
) -> tuple[Snapshot, Manifest, int]:
    """One try. Raises _Damaged when an artifact turns out to be wrong."""
    with store.scratch("export") if db.read_only is None else _folder_elsewhere() as folder:
        state = folder / STATE
        snapshot = take(db, state, store, retention, secrets.token_hex(16), damaged, now)
        sent = earlier.paths if earlier is not None else frozenset()
        manifest = Manifest(
            format=FORMAT,
            key=snapshot.handed.key,
            version=snapshot.version,
            since=earlier.key if earlier is not None else None,
            state_sha256=file_sha256(state),
            state_bytes=state.stat().st_size,
            history=snapshot.history,
            files=tuple(
                File(path=path, bytes=size, inside=path not in sent) for path, size in snapshot.needed
            ),
        )
        total = total_bytes(manifest, len(manifest.model_dump_json().encode()))
        stream.seek(0)
        stream.truncate()
        disk = os.fstatvfs(stream.fileno())
        if total > disk.f_bavail * disk.f_frsize:
            raise InvalidInput(
                f"the bundle takes {total} bytes, and there are {disk.f_bavail * disk.f_frsize} left"
            )
        _copy_all(store, state, manifest, stream, total, on_bytes)
    return snapshot, manifest, total


class _Source:
    """An artifact that is being copied: what the disk does not give back is its fault, not the bundle's file's."""

    def __init__(self, stream: io.FileIO, path: str) -> None:
        self._stream = stream
        self._path = path

    def read(self, size: int) -> bytes:
        for look in range(1, LOOKS + 1):
            try:
                return self._stream.read(size)
            except OSError as error:
                if not is_unreadable(error):
                    raise
                if look == LOOKS:
                    raise _Damaged(self._path) from None
        raise AssertionError


@contextmanager
def _folder_elsewhere() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="baton-export-") as folder:
        yield Path(folder)


def _copy_all(
    store: ArtifactStore,
    state: Path,
    manifest: Manifest,
    stream: BinaryIO,
    total: int,
    on_bytes: Callable[[int, int], None],
) -> None:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_bytes(done, total)

    writer = Writer(stream, count)
    writer.manifest(manifest)
    with state.open("rb") as copy:
        writer.member(STATE, manifest.state_bytes, copy)
    for file in manifest.inside:
        try:
            source = store.path(file.path).open("rb", buffering=0)
        except FileNotFoundError:
            raise _Damaged(file.path) from None
        with source:
            if writer.member(file.path, file.bytes, _Source(source, file.path)) != file.sha256:
                raise _Damaged(file.path)
    writer.end()
    stream.flush()
    os.fsync(stream.fileno())
    on_bytes(total, total)


def _already_there(target: Path) -> InvalidInput:
    return InvalidInput(
        f"{target} is already there, and is no bundle of this home; name another file, or remove it"
    )


def _need_own(db: Database, target: Path) -> None:
    """Raises InvalidInput unless `target` is a whole bundle of this home's past."""
    key = _key_of(target)
    with db.read() as tx:
        if key is None or key not in {entry.key for entry in lineage.history(tx.exec_driver_sql)}:
            raise _already_there(target)


def _key_of(path: Path) -> str | None:
    """Of the bundle that lies there whole; None for any other file."""
    try:
        with open_regular(path) as stream:
            return read_manifest(stream, os.fstat(stream.fileno()).st_size).key
    except (OSError, BundleError) as error:
        need_fact(error)
        return None


def _earlier(db: Database, since: str) -> _Earlier:
    """What an earlier bundle left its importer with. Raises BundleError when it is none of this home's past."""
    with db.read() as tx:
        past = lineage.history(tx.exec_driver_sql)
        newest = tx.execute(select(Handover.key, Handover.held).order_by(Handover.id.desc()).limit(1)).first()
    if since == LAST:
        if newest is None:
            raise BundleError("this home has made and imported no bundle yet: leave --since away")
        return _Earlier(newest.key, set(newest.held["paths"]))
    path = Path(since)
    try:
        need_bundle(path)
        with open_regular(path) as stream:
            manifest = read_manifest(stream, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        need_fact(error)
        raise BundleError(f"{path} cannot be read: {error.strerror}{near_place(path)}") from None
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from None
    if manifest.key not in {entry.key for entry in past}:
        raise BundleError(
            f"{path} is not of this home's past, so whoever imported it cannot import what follows"
        )
    return _Earlier(manifest.key, {file.path for file in manifest.files})
