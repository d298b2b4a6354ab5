"""An SQLite state where other machines see its file too: a rollback journal instead of a log, and a lease.

A log's index (-shm) is memory that processes share, which those of two machines cannot. The journal needs locks alone,
and only one machine at a time works with the file (`settings.lease`). Nothing of the file is mapped into memory, and
each commit is on the disk when it returns: EXTRA is FULL, and the journal's removal is synced as well.
"""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from db.log_sync import sqlite_module
from errors import HomeInUse
from settings import lease
from settings.file_system import network_kind
from settings.lease import Lease
from settings.watching import watched

if TYPE_CHECKING:
    from sqlite3 import Cursor

#: Bytes 18 and 19 of a database's header that say that it has a write-ahead log (sqlite.org/fileformat.html).
_LOGGED = b"\x02\x02"

_LOOK_SECONDS = 0.5

logger = logging.getLogger("baton.network_file")


def lease_of(file: Path) -> Path:
    """Where the lease of a state lies: beside it."""
    return file.with_name(f"{file.name}-lease")


def is_shared(file: Path) -> bool:
    """Whether other machines may see it. Who has it on a disk of its own honours the lease of one who sees it from
    elsewhere."""
    return network_kind(file) is not None or lease_of(file).exists()


def hold(file: Path, *, wait: bool = True) -> Lease:
    """The lease of the state, for as long as it is open. Raises HomeInUse where another machine works with it.

    wait: where it may be gone, to see whether anything moves; else HomeInUse at once.
    """
    found = Lease(lease_of(file), f"the state {file}")
    if network_kind(file) is not None and not found.is_of_this_machine:
        _need_no_writer(file, wait)
    found.take(wait=wait)
    return found


def give_back(file: Path, lease: Lease) -> None:
    """Hold it no longer. Not while another process of this machine is between asking for it and its commit: that would
    take it for lost. Such a one keeps it."""
    if network_kind(file) is not None and has_log(file):  # whose index is not to be touched there
        lease.release()
        return
    module = sqlite_module()
    busy = False
    with (
        suppress(module.Error),
        closing(
            module.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)
        ) as connection,
    ):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except module.OperationalError as error:
            busy = "locked" in str(error)
        lease.release(leave=busy)
        return
    lease.release()


def configure(cursor: Cursor, file: Path) -> None:
    """What a fresh connection to the file is told. One that still has a log gives it up, without its shared memory."""
    if has_log(file):
        cursor.execute("PRAGMA locking_mode=EXCLUSIVE")
    cursor.execute("PRAGMA journal_mode=DELETE")
    cursor.execute("PRAGMA locking_mode=NORMAL")
    cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # only now the lock is given back
    cursor.execute("PRAGMA synchronous=EXTRA")
    cursor.execute("PRAGMA mmap_size=0")


def has_log(file: Path) -> bool:
    """Whether the file is in the mode of a local disk."""
    try:
        with file.open("rb") as stream:
            return stream.read(20)[18:] == _LOGGED
    except FileNotFoundError:
        return False


def _need_no_writer(file: Path, wait: bool) -> None:
    """Before a log that lies there is folded in. Raises HomeInUse where it grows: some machine has the file on a disk
    of its own, needs no lease, and works.

    Nothing that works is silent for longer than a lease stands still: workers and sessions tell that they live.
    """
    logs = [file.with_name(f"{file.name}-{name}") for name in ("wal", "shm")]
    if not any(path.exists() for path in logs):
        return
    if wait:
        logger.warning(
            "%s was left with its log; folded in after %.0f s unless that grows", file, lease.STILL_SECONDS
        )
        before = _identities(file, *logs)
        now = watched(lambda: _identities(file, *logs), before, lease.STILL_SECONDS, _LOOK_SECONDS)
        if now == before:
            return
    raise HomeInUse(
        f"{file} has a log that another machine writes, or left there; end that first, or only look from here "
        "(status, report, bundle export)"
    )


def _identities(*paths: Path) -> list[tuple[int, int] | None]:
    return [_identity(path) for path in paths]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
