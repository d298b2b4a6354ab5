"""An SQLite state that this process may look at and nothing else: another user's, or on a disk that cannot be written.

SQLite reads a log only where it may keep its index (-shm) beside it. What is there decides how the file is opened:

- an index: others may be at work, or were killed; SQLite reads it as it is (`mode=ro`);
- no log, or an empty one: the file is all there is (`immutable`);
- a log and no index: a home that was copied or killed; file and log are read from a copy in a temporary folder.

Nothing is ever made beside the file: an index of ours would keep its owner out.

Where other machines see the file too, it is read from a copy, unless its lease is this machine's: the locks of whoever
writes it are not seen, and SQLite would take his log for left over.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from db.network_file import has_log
from settings.lease import Lease

if TYPE_CHECKING:
    from sqlite3 import Connection

#: How often a copy is tried again while somebody writes, and how long it is waited before.
_TRIES = 50
_WAIT_SECONDS = 0.02

_Copied = tuple[Sequence[tuple[int, int, int] | None], tuple[bytes, ...]]


class ReadOnlyFile:
    """Connections to `path`, each made as is right at that moment. Close it for the copy to go."""

    def __init__(
        self, path: Path, module: ModuleType, timeout_seconds: float, lease: Lease | None = None
    ) -> None:
        """lease: of a file that other machines see too."""
        self.path = path
        self._lease = lease
        self._log, self._index, self._journal = (
            path.with_name(f"{path.name}-{name}") for name in ("wal", "shm", "journal")
        )
        self._module = module
        self._timeout_seconds = timeout_seconds
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copied: _Copied | None = None
        self._kept: Path | None = None

    def connect(self) -> Connection:
        """A DB-API connection. Raises the module's OperationalError, or OSError for a log that cannot be read."""
        if self._kept is not None:
            return self._open(self._kept.as_uri())
        if self._lease is not None:
            return self._connect_beside_others()
        if self._index.exists():
            try:
                return self._open(f"{self.path.as_uri()}?mode=ro")
            except self._module.OperationalError:  # it was left over, and is not in order
                return self._open(self.copy().as_uri())
        if _size(self._log):
            return self._open(self.copy().as_uri())
        return self._open(f"{self.path.as_uri()}?immutable=1")

    def _connect_beside_others(self) -> Connection:
        assert self._lease is not None
        if self._lease.is_of_this_machine and not has_log(self.path):
            try:
                return self._open(f"{self.path.as_uri()}?mode=ro")
            except (
                self._module.OperationalError
            ):  # a journal that a killed process left: only a writer may use it
                pass
        return self._open(self.copy().as_uri())

    def keep_copy(self) -> Path:
        """From now on connections are to a copy, whose path is returned: it may be changed (migrations)."""
        target = self._temporary() / "kept.db"
        source, copy = self.connect(), self._module.connect(target)
        try:
            source.backup(copy)
        finally:
            copy.close()
            source.close()
        self._kept = target
        return target

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _open(self, uri: str) -> Connection:
        connection = self._module.connect(
            uri, uri=True, timeout=self._timeout_seconds, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA schema_version")  # it is opened only now
        except BaseException:
            connection.close()
            raise
        return connection

    def copy(self) -> Path:
        """The file, and its log or journal, in a folder of ours, made again only where something has changed.

        A copy is one moment's although others write meanwhile if no log or journal began or ended (`_generation`):
        what had come into the file before the log was copied is in the log too, and in the journal as it was.
        """
        target = self._temporary() / "state.db"
        beside = [self._log, self._journal]
        for _ in range(_TRIES):
            before = [_identity(file) for file in (self.path, *beside)], self._generation()
            if before == self._copied:
                return target
            for name in ("", "-wal", "-shm", "-journal"):
                target.with_name(f"{target.name}{name}").unlink(missing_ok=True)
            _copy(self.path, target)
            with suppress(FileNotFoundError):
                for file in beside:
                    if _size(file):
                        _copy(file, target.with_name(file.name.replace(self.path.name, target.name)))
            after = [_identity(file) for file in (self.path, *beside)], self._generation()
            if after == before or (after[1] == before[1] and any(before[1][:2])):
                self._copied = before if after == before else None
                return target
            time.sleep(_WAIT_SECONDS)
        raise self._module.OperationalError("it changes faster than it can be copied; try again")

    def _generation(self) -> tuple[bytes, ...]:
        """What says which transactions a copy can hold: the headers (sqlite.org/fileformat.html) of the log, whose
        salts are new each time it begins anew, of the journal, whose nonce is, and the file's change counter."""
        return _head(self._log)[:32], _head(self._journal)[12:16], _head(self.path)[24:28]

    def _temporary(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="baton-look-")
        return Path(self._folder.name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _copy(source: Path, target: Path) -> None:
    """By reading to the end: clients of network file systems know of a file's growth only then."""
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(100)
    except FileNotFoundError:
        return b""


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
