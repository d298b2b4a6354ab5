"""A file that is on its way and so small that it is held in memory: a kill costs no more than all of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hub.files import HubFile
from settings import files


class Held:
    """As `hub.part.Part`, of at most 1 MiB. What is wrong is fetched anew as a whole."""

    def __init__(self, file: HubFile) -> None:
        self.file = file
        self.etag: str | None = None
        self._bytes = bytearray()
        self._seen: set[str] = set()

    @property
    def missing(self) -> tuple[int, int] | None:
        return (len(self._bytes), self.file.size) if len(self._bytes) < self.file.size else None

    @property
    def held(self) -> int:
        return len(self._bytes)

    def begin(self, etag: str | None) -> None:
        self.etag = etag

    def write(self, block: bytes) -> None:
        self._bytes += block

    def keep(self) -> None:
        """It lies in memory."""

    def is_right(self) -> bool:
        return self.file.is_of(bytes(self._bytes))

    def settle(self) -> None:
        """All of it was fetched anew, or nothing."""

    def doubt(self) -> bool:
        """Begin anew. False where two wholes were the same, and wrong."""
        found = hashlib.sha256(self._bytes).hexdigest()
        if found in self._seen:
            return False
        self._seen.add(found)
        self.drop()
        return True

    def drop(self) -> None:
        """Nothing of it is worth keeping."""
        self._bytes.clear()
        self.etag = None

    def take(self, target: Path) -> None:
        files.write(target, bytes(self._bytes))
