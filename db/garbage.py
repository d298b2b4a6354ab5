"""Freeing disk space while work goes on: superseded checkpoints, bytes without a row, dead scratch folders.

Rows go first, bytes after them. A file is removed only during a standstill of the store (`db.store`): then
nobody is between putting bytes and naming them in a row, so a file that no row names is garbage for certain,
however young it is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, delete, select

from db import events
from db.engine import Database
from db.needed import SPENT, SUPERSEDED, producers, shown_in_reports, verdicts
from db.shared_store import open_store
from db.statements import artifact, job
from db.states import RUNNING
from db.store import ATTEMPT_SCRATCH, LOCK_FILES, ArtifactStore
from settings.home import Home

#: Where an artifact may lie, relative to the home: a folder named by the digest's start, the digest, a suffix.
ARTIFACT_PATH = re.compile(r"artifacts/([0-9a-f]{2})/(\1[0-9a-f]{62})(\.[A-Za-z0-9]{1,16})?")

#: Jobs whose rows are looked at in one writing transaction.
_CHUNK = 200


@dataclass(frozen=True)
class Collected:
    """What was removed, or would be. `foreign` names what lies in the store and is not Baton's; it stays.

    objects, object_bytes: of the store that machines share, where there is one; files are this machine's copies.
    """

    rows: int
    files: int
    bytes: int
    scratch_folders: int
    foreign: tuple[str, ...]
    objects: int = 0
    object_bytes: int = 0


def collect(
    db: Database,
    home: Home,
    now: float,
    *,
    spent: bool = False,
    dry_run: bool = False,
    wait_seconds: float = 60.0,
) -> Collected:
    """Remove what serves nothing any more; safe beside workers. Raises StoreBusy when they leave no gap.

    spent: also remove the bytes of what only finished jobs have read; their rows stay, and whoever asks for
    them makes their jobs run again (`db.jobs.redo_inputs`).
    wait_seconds: how long to wait for a gap between publications, for each folder of the store.
    """
    store = open_store(home, db)
    with db.read() as tx:
        shown = shown_in_reports(tx)
    rows = _superseded_rows(db, shown) if dry_run else _delete_rows(db, shown)
    gone = {SPENT} if spent else set()
    if dry_run:
        gone.add(SUPERSEDED)
    files = size = 0
    folders, foreign = _folders(home)
    for folder in folders:
        if dry_run:
            garbage = _garbage(db, home, folder, shown, gone, foreign)
        else:
            with store.standstill(wait_seconds):
                garbage = _garbage(db, home, folder, shown, gone, foreign)
                for path, _ in garbage:
                    path.unlink()
        files += len(garbage)
        size += sum(length for _, length in garbage)
    objects, object_bytes = _collect_objects(db, store, shown, gone, foreign, dry_run, wait_seconds)
    scratch = clear_scratch(db, home, store, dry_run=dry_run)
    if not dry_run and (rows or files or objects):
        with db.write() as tx:
            shared = f", {objects} shared objects, {object_bytes} bytes" if store.remote else ""
            events.record(
                tx, now, "garbage_collected",
                f"removed {rows} superseded checkpoints' rows and {files} files, {size} bytes{shared}",
                data={"rows": rows, "files": files, "bytes": size, "objects": objects},
            )  # fmt: skip
    return Collected(rows, files, size, scratch, tuple(sorted(foreign)), objects, object_bytes)


def clear_scratch(db: Database, home: Home, store: ArtifactStore, *, dry_run: bool = False) -> int:
    """Remove half-written files of attempts that no longer hold their job and of commands that were killed.

    Returns the number of folders.
    """
    dead = _dead_scratch(db, home)
    if not dry_run:
        for path in dead:
            shutil.rmtree(path, ignore_errors=True)
    return len(dead) + store.clear_scratch(dry_run=dry_run)


def _collect_objects(
    db: Database,
    store: ArtifactStore,
    shown: Set[int],
    gone: Set[str],
    foreign: set[str],
    dry_run: bool,
    wait_seconds: float,
) -> tuple[int, int]:
    """The same for the objects that machines share. Returns how many, and their bytes."""
    if store.remote is None:
        return 0, 0
    objects = size = 0
    for prefix in (f"{number:02x}" for number in range(256)):
        with nullcontext() if dry_run else store.standstill(wait_seconds):
            listed = store.remote.listing(prefix)
            if not listed:
                continue
            with db.read() as tx:
                kept = _kept_paths(tx, prefix, shown, gone)
            foreign.update(path for path in listed if not ARTIFACT_PATH.fullmatch(path))
            garbage = [path for path in listed if ARTIFACT_PATH.fullmatch(path) and path not in kept]
            if not dry_run:
                store.remote.remove(garbage)
        objects += len(garbage)
        size += sum(listed[path] for path in garbage)
    if not dry_run:
        with store.standstill(wait_seconds):
            store.remote.remove_incoming()
    return objects, size


def _superseded_rows(db: Database, shown: Set[int]) -> int:
    with db.read() as tx:
        return sum(len(_superseded(tx, shown, part)) for part in _chunks(_jobs_with_checkpoints(tx)))


def _delete_rows(db: Database, shown: Set[int]) -> int:
    """The rule is applied within the transaction that deletes, so a job that falls back keeps its two."""
    with db.read() as tx:
        jobs_here = _jobs_with_checkpoints(tx)
    removed = 0
    for part in _chunks(jobs_here):
        with db.write() as tx:
            ids = _superseded(tx, shown, part)
            if ids:
                removed += tx.execute(delete(artifact).where(artifact.c.id.in_(ids))).rowcount
    return removed


def _jobs_with_checkpoints(tx: Connection) -> list[int]:
    statement = select(artifact.c.job_id).where(~artifact.c.final).distinct().order_by(artifact.c.job_id)
    return list(tx.execute(statement).scalars())


def _superseded(tx: Connection, shown: Set[int], job_ids: Sequence[int]) -> list[int]:
    return [
        output_id
        for _, producer in producers(tx, shown, job_ids)
        for output_id, verdict in verdicts(producer).items()
        if verdict == SUPERSEDED
    ]


def _folders(home: Home) -> tuple[list[Path], set[str]]:
    """The store's folders, and the names of whatever else lies beside them."""
    folders, foreign = [], set()
    for entry in sorted(home.artifacts.iterdir()):
        if re.fullmatch(r"[0-9a-f]{2}", entry.name) and entry.is_dir() and not entry.is_symlink():
            folders.append(entry)
        elif entry.name not in (home.scratch.name, *LOCK_FILES):
            foreign.add(f"{home.artifacts.name}/{entry.name}")
    return folders, foreign


def _garbage(
    db: Database, home: Home, folder: Path, shown: Set[int], gone: Set[str], foreign: set[str]
) -> list[tuple[Path, int]]:
    """Files of one folder that no row keeps, with their sizes. What is not an artifact goes to `foreign`."""
    with db.read() as tx:
        kept = _kept_paths(tx, folder.name, shown, gone)
    garbage = []
    for path in sorted(folder.iterdir()):
        relative = f"{home.artifacts.name}/{folder.name}/{path.name}"
        if not ARTIFACT_PATH.fullmatch(relative) or path.is_symlink() or not path.is_file():
            foreign.add(relative)
        elif relative not in kept:
            garbage.append((path, path.stat().st_size))
    return garbage


def _kept_paths(tx: Connection, prefix: str, shown: Set[int], gone: Set[str]) -> set[str]:
    here = artifact.c.sha256.between(prefix, f"{prefix}g")  # "g" sorts behind every hexadecimal digit
    if not gone:
        return set(tx.execute(select(artifact.c.path).where(here)).scalars())
    job_ids = list(tx.execute(select(artifact.c.job_id).where(here).distinct()).scalars())
    kept = set()
    for part in _chunks(job_ids):
        for _, producer in producers(tx, shown, part):
            found = verdicts(producer)
            kept |= {output.path for output in producer.outputs if found[output.id] not in gone}
    return kept


def _dead_scratch(db: Database, home: Home) -> list[Path]:
    """Folders of attempts that no longer hold their job: what they write cannot become a fact."""
    named = {
        path: (int(match[1]), int(match[2]))
        for path in (home.scratch.iterdir() if home.scratch.is_dir() else ())
        if (match := ATTEMPT_SCRATCH.fullmatch(path.name))
    }
    # Only now: an attempt that began meanwhile has its folder not in `named`, or its lease in `held`.
    with db.read() as tx:
        running = tx.execute(select(job.c.id, job.c.lease_token).where(job.c.state == RUNNING))
        held = {(row.id, row.lease_token) for row in running}
    return sorted(path for path, lease in named.items() if lease not in held)


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while part := list(islice(rest, _CHUNK)):
        yield part
