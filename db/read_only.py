"""An SQLite state that this process may look at and nothing else: another user's, or on a disk that cannot be written.

SQLite reads a log only where it may keep its index (-shm) beside it. What is there decides how the file is opened:

- an index: others may be at work, or were killed; SQLite reads it as it is (`mode=ro`);
- no log, or an empty one: the file is all there is (`immutable`);
- a log and no index: a home that was copied or killed; file and log are read from a copy in a temporary folder.

Nothing is ever made beside the file: an index of ours would keep its owner out.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

#: How often a copy is tried again while somebody writes.
_TRIES = 10

_Identity = Sequence[tuple[int, int, int] | None]


class ReadOnlyFile:
    """Connections to `path`, each made as is right at that moment. Close it for the copy to go."""

    def __init__(self, path: Path, module: ModuleType, timeout_seconds: float) -> None:
        self.path = path
        self._log, self._index = (path.with_name(f"{path.name}-{name}") for name in ("wal", "shm"))
        self._module = module
        self._timeout_seconds = timeout_seconds
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copied: _Identity | None = None
        self._kept: Path | None = None

    def connect(self) -> Any:
        """A DB-API connection. Raises the module's OperationalError, or OSError for a log that cannot be read."""
        if self._kept is not None:
            return self._open(self._kept.as_uri())
        if self._index.exists():
            try:
                return self._open(f"{self.path.as_uri()}?mode=ro")
            except self._module.OperationalError:  # it was left over, and is not in order
                return self._open(self._copy().as_uri())
        if _size(self._log):
            return self._open(self._copy().as_uri())
        return self._open(f"{self.path.as_uri()}?immutable=1")

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

    def _open(self, uri: str) -> Any:
        connection = self._module.connect(
            uri, uri=True, timeout=self._timeout_seconds, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA schema_version")  # it is opened only now
        except BaseException:
            connection.close()
            raise
        return connection

    def _copy(self) -> Path:
        """The file and its log in a folder of ours, made again only where either has changed."""
        target = self._temporary() / "state.db"
        for _ in range(_TRIES):
            before = [_identity(file) for file in (self.path, self._log)]
            if before == self._copied:
                return target
            for name in ("", "-wal", "-shm"):
                target.with_name(f"{target.name}{name}").unlink(missing_ok=True)
            shutil.copyfile(self.path, target)
            if _size(self._log):
                shutil.copyfile(self._log, target.with_name(f"{target.name}-wal"))
            if [_identity(file) for file in (self.path, self._log)] == before:
                self._copied = before
                return target
        raise self._module.OperationalError("it changes faster than it can be copied; try again")

    def _temporary(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="baton-look-")
        return Path(self._folder.name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
