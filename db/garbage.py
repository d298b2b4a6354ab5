"""Freeing disk space while work goes on: superseded checkpoints, bytes without a row, dead scratch folders.

Rows go first, bytes after them. A file is removed only during a standstill of the store (`db.store`): then
nobody is between putting bytes and naming them in a row, so a file that no row names is garbage for certain,
however young it is.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, delete, select

from db import events, ownership
from db.engine import Database
from db.parts import in_parts
from db.retention import SPENT, SUPERSEDED, Retention, Rule, producers, rule_of, verdicts
from db.shared_store import open_store
from db.statements import artifact, job
from db.states import RUNNING
from db.store import ARTIFACT_PATH, ATTEMPT_SCRATCH, LOCK_FILES, OWNER_FILES, ArtifactStore, clear_unless_held
from settings.home import Home

#: Jobs whose rows are looked at in one transaction: others wait to write meanwhile.
_JOBS_AT_A_TIME = 200

#: Objects that are removed between two looks at whether the standstill lasts.
_OBJECTS_AT_A_TIME = 200

#: Of the store; gives what raises once it is over (`db.store`).
Standstill = Callable[[], AbstractContextManager[Callable[[], None]]]


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
    retention: Retention,
    now: float,
    *,
    spent: bool = False,
    superseded_only: bool = False,
    dry_run: bool = False,
    wait_seconds: float = 60.0,
) -> Collected:
    """Remove what serves nothing any more; safe beside workers. Raises StoreBusy when they leave no gap, and
    StoreOfAnother, with nothing changed, where this state does not know what the store's files are for.

    spent: also remove the bytes of what only finished jobs have read; their rows stay, and whoever asks for
    them makes their jobs run again (`db.jobs.redo_inputs`).
    superseded_only: nothing but superseded checkpoints, with their bytes: what nobody looks at before it goes. It all
    goes in one gap, as nobody would know later what was left of them.
    wait_seconds: how long to wait for a gap between publications, for each folder of the store.
    """
    store = open_store(home, db)
    ownership.need_ours(home, db, store.remote)
    with _standstills(store, wait_seconds, at_once=superseded_only, dry_run=dry_run) as standstill:
        return _collect(db, home, store, retention, now, standstill, spent, superseded_only, dry_run)


@contextmanager
def _standstills(
    store: ArtifactStore, wait_seconds: float, *, at_once: bool, dry_run: bool
) -> Iterator[Standstill]:
    """What is entered around each removal. at_once: all of them are one standstill, which begins here."""
    if dry_run:
        yield lambda: nullcontext(lambda: None)
    elif at_once:
        with store.standstill(wait_seconds) as still:
            yield lambda: nullcontext(still)
    else:
        yield lambda: store.standstill(wait_seconds)


def _collect(
    db: Database,
    home: Home,
    store: ArtifactStore,
    retention: Retention,
    now: float,
    standstill: Standstill,
    spent: bool,
    superseded_only: bool,
    dry_run: bool,
) -> Collected:
    with db.read() as tx:
        rule = rule_of(tx, retention)
    removed = _superseded_paths(db, rule) if dry_run else _delete_rows(db, rule)
    rows, only = len(removed), set(removed) if superseded_only else None
    gone = {SPENT} if spent else set()
    if dry_run:
        gone.add(SUPERSEDED)
    found = _remove(db, home, store, rule, gone, only, dry_run, standstill)
    scratch = 0 if superseded_only else clear_scratch(db, home, store, dry_run=dry_run)
    if not dry_run:
        _note(db, store, replace(found, rows=rows), now)
    return replace(found, rows=rows, scratch_folders=scratch)


def collect_files(
    db: Database, home: Home, paths: Set[str], now: float, *, wait_seconds: float = 60.0
) -> Collected:
    """Remove those of these files that no row names, and nothing else. Raises as `collect`; what is left then is
    garbage to it."""
    store = open_store(home, db)
    ownership.need_ours(home, db, store.remote)
    with _standstills(store, wait_seconds, at_once=True, dry_run=False) as standstill:
        found = _remove(db, home, store, _NO_RULE, frozenset(), paths, False, standstill)
    _note(db, store, found, now)
    return found


#: Where only rows decide, and no verdict does.
_NO_RULE = Rule(frozenset(), frozenset())


def _note(db: Database, store: ArtifactStore, found: Collected, now: float) -> None:
    """An event of what went, unless that is nothing."""
    if found.rows or found.files or found.objects:
        with db.write() as tx:
            shared = f", {found.objects} shared objects, {found.object_bytes} bytes" if store.remote else ""
            events.record(
                tx, now, "garbage_collected",
                f"removed {found.rows} superseded checkpoints' rows and {found.files} files, {found.bytes} bytes"
                f"{shared}",
                data={"rows": found.rows, "files": found.files, "bytes": found.bytes, "objects": found.objects},
            )  # fmt: skip


def _remove(
    db: Database,
    home: Home,
    store: ArtifactStore,
    rule: Rule,
    gone: Set[str],
    only: Set[str] | None,
    dry_run: bool,
    standstill: Standstill,
) -> Collected:
    """Files and shared objects that no row keeps.

    gone: verdicts of rows that keep nothing. only: of these files alone; None: of all.
    """
    files = size = 0
    folders, foreign = _folders(home)
    for folder in folders:
        if only is not None and not any(path.split("/")[1] == folder.name for path in only):
            continue
        with standstill() as still:
            garbage = _garbage(db, home, folder, rule, gone, foreign, only)
            still()
            if not dry_run and garbage:
                # A power cut must not bring back the rows that named them, nor take the success that replaced them.
                db.settle_all()
                for path, _ in garbage:
                    path.unlink(missing_ok=True)
        files += len(garbage)
        size += sum(length for _, length in garbage)
    objects, object_bytes = _collect_objects(db, store, rule, gone, foreign, only, dry_run, standstill)
    return Collected(0, files, size, 0, tuple(sorted(foreign)), objects, object_bytes)


def clear_scratch(db: Database, home: Home, store: ArtifactStore, *, dry_run: bool = False) -> int:
    """Remove half-written files of attempts that no longer hold their job and of commands that were killed.

    Returns the number of folders.
    """
    dead = [path for path in _dead_scratch(db, home) if clear_unless_held(path, dry_run)]
    return len(dead) + store.clear_scratch(dry_run=dry_run)


def _collect_objects(
    db: Database,
    store: ArtifactStore,
    rule: Rule,
    gone: Set[str],
    foreign: set[str],
    only: Set[str] | None,
    dry_run: bool,
    standstill: Standstill,
) -> tuple[int, int]:
    """The same for the objects that machines share. Returns how many, and their bytes."""
    if store.remote is None:
        return 0, 0
    objects = size = 0
    for prefix in (f"{number:02x}" for number in range(256)):
        if only is not None and not any(path.split("/")[1] == prefix for path in only):
            continue
        with standstill() as still:
            listed = store.remote.listing(prefix)
            if not listed:
                continue
            with db.read() as tx:
                kept = _kept_paths(tx, prefix, rule, gone)
            foreign.update(path for path in listed if not ARTIFACT_PATH.fullmatch(path))
            garbage = [path for path in listed if ARTIFACT_PATH.fullmatch(path) and path not in kept]
            if only is not None:
                garbage = [path for path in garbage if path in only]
            if not dry_run and garbage:
                db.settle_all()
            for part in () if dry_run else in_parts(garbage, _OBJECTS_AT_A_TIME):
                still()
                store.remote.remove(part)
        objects += len(garbage)
        size += sum(listed[path] for path in garbage)
    if not dry_run and only is None:
        with standstill() as still:
            still()
            store.remote.remove_incoming()
    return objects, size


def _superseded_paths(db: Database, rule: Rule) -> list[str]:
    """One for each row."""
    with db.read() as tx:
        parts = in_parts(_jobs_with_checkpoints(tx), _JOBS_AT_A_TIME)
        return [path for part in parts for path in _superseded(tx, rule, part).values()]


def _delete_rows(db: Database, rule: Rule) -> list[str]:
    """The rule is applied within the transaction that deletes, so a job that falls back keeps its two.

    Returns the paths that the rows named.
    """
    with db.read() as tx:
        jobs_here = _jobs_with_checkpoints(tx)
    removed: list[str] = []
    for part in in_parts(jobs_here, _JOBS_AT_A_TIME):
        with db.write() as tx:
            found = _superseded(tx, rule, part)
            if found:
                tx.execute(delete(artifact).where(artifact.c.id.in_(found)))
        removed += found.values()
    return removed


def _jobs_with_checkpoints(tx: Connection) -> list[int]:
    statement = select(artifact.c.job_id).where(~artifact.c.final).distinct().order_by(artifact.c.job_id)
    return list(tx.execute(statement).scalars())


def _superseded(tx: Connection, rule: Rule, job_ids: Sequence[int]) -> dict[int, str]:
    """Artifact id -> path."""
    found: dict[int, str] = {}
    for _, producer in producers(tx, rule, job_ids):
        judged = verdicts(producer)
        found |= {output.id: output.path for output in producer.outputs if judged[output.id] == SUPERSEDED}
    return found


def _folders(home: Home) -> tuple[list[Path], set[str]]:
    """The store's folders, and the names of whatever else lies beside them."""
    folders, foreign = [], set()
    for entry in sorted(home.artifacts.iterdir()):
        if re.fullmatch(r"[0-9a-f]{2}", entry.name) and entry.is_dir() and not entry.is_symlink():
            folders.append(entry)
        elif entry.name not in (home.scratch.name, *LOCK_FILES, *OWNER_FILES):
            foreign.add(f"{home.artifacts.name}/{entry.name}")
    return folders, foreign


def _garbage(
    db: Database,
    home: Home,
    folder: Path,
    rule: Rule,
    gone: Set[str],
    foreign: set[str],
    only: Set[str] | None,
) -> list[tuple[Path, int]]:
    """Files of one folder that no row keeps, with their sizes. What is not an artifact goes to `foreign`.

    only: of these alone; None: of all.
    """
    with db.read() as tx:
        kept = _kept_paths(tx, folder.name, rule, gone)
    garbage = []
    for path in sorted(folder.iterdir()):
        relative = f"{home.artifacts.name}/{folder.name}/{path.name}"
        try:
            found = path.lstat()
        except FileNotFoundError:  # another command removes as well
            continue
        if not ARTIFACT_PATH.fullmatch(relative) or not stat.S_ISREG(found.st_mode):
            foreign.add(relative)
        elif relative not in kept and (only is None or relative in only):
            garbage.append((path, found.st_size))
    return garbage


def _kept_paths(tx: Connection, prefix: str, rule: Rule, gone: Set[str]) -> set[str]:
    here = artifact.c.sha256.between(prefix, f"{prefix}g")  # "g" sorts behind every hexadecimal digit
    if not gone:
        return set(tx.execute(select(artifact.c.path).where(here)).scalars())
    job_ids = list(tx.execute(select(artifact.c.job_id).where(here).distinct()).scalars())
    kept = set()
    for part in in_parts(job_ids, _JOBS_AT_A_TIME):
        for _, producer in producers(tx, rule, part):
            found = verdicts(producer)
            kept |= {output.path for output in producer.outputs if found[output.id] not in gone}
    return kept


def _dead_scratch(db: Database, home: Home) -> list[Path]:
    """Folders of attempts that no longer hold their job: what they write cannot become a fact.

    One of a process that lives here all the same (a machine that was asleep) is left to it: it ends by itself.
    """
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
