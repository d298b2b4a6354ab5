"""The content-addressed store: immutable files named by the SHA-256 of their bytes.

Order of a publication: temporary file, fsync, rename, fsync of the folder, then the row
(`db.jobs`). A row never points to bytes that are not there; bytes without a row are garbage.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import ArtifactDamaged
from settings.home import Home

#: Bytes read at a time when hashing.
_BLOCK = 1 << 20


class ArtifactStore:
    """Artifacts of one home on a local disk."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._verified: dict[str, tuple[int, int, int]] = {}  # path -> (inode, size, mtime_ns) already hashed

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder of an attempt's own for files being written, gone afterwards."""
        folder = self._home.scratch / f"{name}-{os.getpid()}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, file: Path) -> tuple[str, str, int]:
        """Move `file` into the store. Returns (sha256, path relative to the home, bytes).

        Safe to repeat, and safe beside another process that stores the same bytes.
        """
        digest = file_sha256(file)
        size = file.stat().st_size
        target = self._home.artifacts / digest[:2] / f"{digest}{file.suffix}"
        target.parent.mkdir(mode=0o700, exist_ok=True)
        _fsync(file)
        file.chmod(0o400)
        # Replacing an equal file is harmless, and mends one whose bytes were damaged on disk.
        file.replace(target)
        _fsync(target.parent)
        _fsync(target.parent.parent)
        return digest, self._home.relative(target), size

    def path(self, relative: str) -> Path:
        return self._home.root / relative

    def verified(self, relative: str, sha256: str) -> Path:
        """The file's path once its bytes are known to be right. Raises ArtifactDamaged.

        A file is hashed once per process, and again when its inode, size or time changed.
        """
        path = self.path(relative)
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise ArtifactDamaged(f"artifact {relative} is missing") from None
        identity = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if self._verified.get(relative) != identity:
            found = file_sha256(path)
            if found != sha256:
                raise ArtifactDamaged(f"artifact {relative} is damaged: its bytes hash to {found[:12]}…")
            self._verified[relative] = identity
        return path

    def clear_scratch(self, older_than_seconds: float) -> int:
        """Remove what dead attempts left half-written. Returns the number of folders removed."""
        removed = 0
        if not self._home.scratch.is_dir():
            return 0
        for folder in self._home.scratch.iterdir():
            if time.time() - folder.stat().st_mtime > older_than_seconds:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
