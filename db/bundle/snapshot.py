"""A copy of the state as it is at one moment, made ready to live in another home."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, null, select, update

from db import events
from db.bundle import lineage
from db.bundle.manifest import Handed
from db.engine import Database, fresh_file_mode, sqlite_module
from db.jobs.handover import hand_over
from db.members import BUSY, IDLE, STOPPED
from db.parts import in_parts
from db.retention import NEEDED, SUPERSEDED, Retention, Rule, producers, rule_of, verdicts
from db.schema import Handover, Session, Worker
from db.statements import artifact
from db.store import ArtifactStore

REASON = "handed over in a bundle"


@dataclass(frozen=True)
class Snapshot:
    """A copy of the state and what belongs to it.

    needed: artifacts whose bytes are there. absent: paths of needed ones whose bytes are not; their jobs make
    them again. running: attempts that were taken back in the copy.
    """

    handed: Handed
    history: tuple[Handed, ...]
    version: str
    needed: Sequence[tuple[str, int]]  # (path, bytes)
    absent: Sequence[str]
    running: int


def take(
    source: Database,
    target: Path,
    store: ArtifactStore,
    retention: Retention,
    key: str,
    damaged: Set[str],
    now: float,
) -> Snapshot:
    """Copy the state to the new file `target` while others write, and make it ready to leave.

    damaged: paths whose bytes were found to be wrong: they count as absent. The copy is one transaction's view:
    SQLite's backup in a single step never sees a later commit, and in WAL mode keeps no writer waiting.
    """
    _copy(source, target)
    database = Database(target)
    try:
        with database.write() as tx:
            left = lineage.facts(tx.exec_driver_sql)
            running = hand_over(tx, REASON, now)
            _part_with_workers(tx, now)
            _forget_superseded(tx)
            needed, absent = _needed(tx, store, retention, damaged)
            handed = Handed(
                key=key,
                at=now,
                host=socket.gethostname()[:255],
                facts_left=left,
                facts_arrived=lineage.facts(tx.exec_driver_sql),
                attempts=lineage.attempts(tx.exec_driver_sql),
            )
            note(tx, handed, [path for path, _ in needed])
            history = lineage.history(tx.exec_driver_sql)
            ((version,),) = tx.exec_driver_sql("SELECT version_num FROM alembic_version")
    finally:
        database.close()
    _make_one_file(target)
    return Snapshot(handed, history, version, needed, absent, running)


def note(tx: Connection, handed: Handed, paths: Sequence[str]) -> None:
    """Add a bundle to the history; only the newest one's files are remembered."""
    tx.execute(update(Handover).values(held=null()))
    tx.execute(insert(Handover), {**handed.model_dump(), "held": {"paths": list(paths)}})
    events.record(
        tx,
        handed.at,
        "bundle",
        f"bundle {handed.key[:8]} was made on {handed.host} with {len(paths)} artifacts",
    )


def _copy(source: Database, target: Path) -> None:
    fresh_file_mode(target)
    copy = sqlite_module().connect(str(target))
    try:
        with source.read() as tx:
            connection = tx.connection.driver_connection
            assert connection is not None
            connection.backup(copy, pages=-1)
    finally:
        copy.close()


def _make_one_file(target: Path) -> None:
    """No write-ahead log beside it."""
    connection = sqlite_module().connect(str(target))
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    finally:
        connection.close()


def _part_with_workers(tx: Connection, now: float) -> None:
    tx.execute(
        update(Worker)
        .where(Worker.state.in_((IDLE, BUSY)))
        .values(state=STOPPED, stopped_at=now, job_id=None, progress=null())
    )
    tx.execute(update(Session).where(Session.ended_at.is_(None)).values(ended_at=now, reason=REASON))


def _forget_superseded(tx: Connection) -> None:
    ids = [
        output_id
        for _, producer in producers(tx, Rule(frozenset(), frozenset()))
        for output_id, verdict in verdicts(producer).items()
        if verdict == SUPERSEDED
    ]
    for part in in_parts(ids):
        tx.execute(delete(artifact).where(artifact.c.id.in_(part)))


def _needed(
    tx: Connection, store: ArtifactStore, retention: Retention, damaged: Set[str]
) -> tuple[list[tuple[str, int]], list[str]]:
    sizes = {row.path: row.bytes for row in tx.execute(select(artifact.c.path, artifact.c.bytes))}
    paths = sorted(
        {
            output.path
            for _, producer in producers(tx, rule_of(tx, retention))
            for output in producer.outputs
            if verdicts(producer)[output.id] == NEEDED
        }
    )
    here = {path for path in paths if path not in damaged and _is_there(store.path(path), sizes[path])}
    return [(path, sizes[path]) for path in paths if path in here], [p for p in paths if p not in here]


def _is_there(path: Path, size: int) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
