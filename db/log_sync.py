"""Syncing SQLite's write-ahead log beside the work (`db.engine` says what that is for)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType

from settings.faults import SHORTAGES
from settings.files import lies_at, sync_names

logger = logging.getLogger("baton.state")

#: A commit nobody waits for is on the disk after this at the latest (and one sync).
SYNC_SECONDS = 0.1

#: How often a disk that failed is tried again.
_AGAIN_SECONDS = 1.0

#: A machine without a free file is waited for so often before that counts as a failure.
_SHORT_LOOKS = 100


class LogSync:
    """Syncs the log from a thread of its own: at once when somebody waits, else now and then.

    A commit that writes the log while it is being synced waits for the disk, so an idle sync is not repeated
    at once. A descriptor of the -wal file is safe beside SQLite, which locks only the database and -shm files.

    A sync that failed is told, and raised in whoever waits for it; then it is tried again, for as long as the
    process lives. As the kernel may count what it could not write as written (fsync(2)), the log itself is not
    believed after that: its content, which it still reads back, goes into the database file, and that is synced.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._log = Path(f"{os.path.realpath(state)}-wal")
        self._held = _HeldFile(self._log)
        self._changed = threading.Condition()
        self._syncing = threading.Lock()
        self._commits = 0
        self._synced = 0
        self._awaited = 0
        self._failures = 0
        self._failure: Exception | None = None
        self._short = 0
        self._suspect = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def committed(self) -> None:
        """Call after every commit."""
        with self._changed:
            self._commits += 1
            self._need_thread()
            if self._commits == self._synced + 1:
                self._changed.notify_all()

    def settle(self) -> None:
        """Wait until all commits so far are synced. Raises the OSError of a disk that failed meanwhile."""
        with self._changed:
            goal, failures = self._commits, self._failures
            if self._synced < goal:
                self._need_thread()
            self._awaited = max(self._awaited, goal)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._synced >= goal or self._failures != failures)
            if self._synced < goal:
                assert self._failure is not None
                raise self._failure

    def sync_now(self) -> None:
        """All that is in the log, of whichever process, is on the disk when it returns. Raises OSError."""
        with self._syncing:
            self._sync()

    def close(self) -> None:
        """End the thread and let go of the file. What comes after begins anew."""
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join()
        with self._syncing:
            self._held.close()
        with self._changed:
            self._thread, self._closing = None, False

    def _need_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wal-sync", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._wait_for(lambda: self._synced < self._commits)
                self._wait_for(lambda: self._awaited > self._synced, SYNC_SECONDS)
                if self._closing:
                    return
                goal = self._commits
            try:
                with self._syncing:
                    self._sync()
            except Exception as error:
                self._failed(error)
            else:
                with self._changed:
                    self._synced = goal
                    if self._failure is not None:
                        logger.warning("%s is synced again", self._state)
                    self._failure, self._short = None, 0
                    self._changed.notify_all()

    def _wait_for(self, what: Callable[[], bool], timeout: float | None = None) -> None:
        self._changed.wait_for(lambda: what() or self._closing, timeout)

    def _failed(self, error: Exception) -> None:
        with self._changed:
            if isinstance(error, OSError) and error.errno in SHORTAGES and self._short < _SHORT_LOOKS:
                self._short += 1
                self._changed.wait(SYNC_SECONDS)  # nothing was tried yet: whoever waits goes on waiting
                return
            if self._failure is None:
                logger.warning(
                    "%s cannot be synced (%s): what was committed is lost should the machine lose its power now; "
                    "tried again until the disk can",
                    self._state,
                    error,
                )
            self._failure = error
            self._failures += 1
            self._awaited = self._synced  # they are told
            self._changed.notify_all()
            # The next try is due when somebody comes to wait, who is told how it goes.
            self._wait_for(lambda: self._awaited > self._synced, _AGAIN_SECONDS)

    def _sync(self) -> None:
        if self._suspect:
            self._empty_log()
            return
        try:
            with suppress(FileNotFoundError):  # its last user removed it: all is in the database file already
                self._held.sync()
        except OSError as error:
            self._suspect = error.errno not in SHORTAGES
            raise

    def _empty_log(self) -> None:
        with closing(
            sqlite_module().connect(self._state, timeout=SYNC_SECONDS, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if busy or moved < pages:
            raise OSError(f"{self._log} is in use: {moved} of {pages} pages are in the database file")
        self._suspect = False


class _HeldFile:
    """The file of a name, open for as long as it is the one that has the name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def sync(self) -> None:
        """The file, and that it has its name, are on the disk when it returns. Raises OSError."""
        if self._descriptor is None or not lies_at(self._descriptor, self._path):
            self.close()
            self._descriptor = self._opened()
        os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync_names(self._path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def sqlite_module() -> ModuleType:
    """The SQLite to use: pysqlite3 where installed (it is newer than the WAL-reset bug), else Python's."""
    try:
        import pysqlite3.dbapi2 as module
    except ImportError:
        import sqlite3 as module
    return module
