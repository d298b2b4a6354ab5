"""A secret in a file of the home: made on first use, and for its owner's eyes only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def secret_in(path: Path, make: Callable[[], str]) -> str:
    """What the file holds (ASCII). Where there is none, or an empty one of a killed command, what `make` returns.

    A file of ours that others may read is closed to them, however open the folder is. Processes that ask at the same
    moment get the same answer. Raises OSError.
    """
    with os.fdopen(
        os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="ascii"
    ) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        found = os.fstat(stream.fileno())
        if found.st_mode & 0o077 and found.st_uid == os.geteuid():
            os.fchmod(stream.fileno(), 0o600)
        secret = stream.read()
        if not secret:
            secret = make()
            stream.write(secret)
        return secret
