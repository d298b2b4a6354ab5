"""A file of a repository as its listing tells of it, and what its bytes must come to."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from settings.regular import open_regular

_BLOCK = 1 << 20
_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "git-sha1": re.compile(r"[0-9a-f]{40}")}


@dataclass(frozen=True)
class HubFile:
    """path: in the repository. size: bytes. algorithm: `sha256` of the bytes (large files), or `git-sha1`, by which git
    names a blob (small ones). digest: in hex.
    """

    path: str
    size: int
    algorithm: Literal["sha256", "git-sha1"]
    digest: str

    @property
    def is_sound(self) -> bool:
        """Whether size and digest are such at all."""
        return (
            type(self.size) is int
            and 0 <= self.size < 1 << 50
            and isinstance(self.digest, str)
            and bool(_HEX[self.algorithm].fullmatch(self.digest))
        )

    def is_in(self, file: Path) -> bool:
        """Whether the bytes there are this file's. Raises OSError."""
        hasher = self._hasher()
        with open_regular(file) as stream:
            length = 0
            while block := stream.read(_BLOCK):
                hasher.update(block)
                length += len(block)
        return length == self.size and hasher.hexdigest() == self.digest

    def is_of(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        hasher = self._hasher()
        hasher.update(content)
        return len(content) == self.size and hasher.hexdigest() == self.digest

    def _hasher(self) -> hashlib._Hash:
        if self.algorithm == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
