"""A secret in a file of the home: made on first use, and for its owner's eyes only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from settings import files
from settings.regular import open_regular

_MOST_BYTES = 4096


def secret_in(path: Path, make: Callable[[], str]) -> str:
    """What the file holds (ASCII). Where there is none, or an empty one of a killed command, what `make` returns.

    A file of ours that others may read is closed to them, however open the folder is. Processes that ask at the same
    moment get the same answer. Raises OSError.
    """
    if secret := _read(path):
        return secret
    with files.whole(path, mode=0o600) as stream:  # whoever else makes one waits here
        secret = _read(path) or make()
        stream.write(secret.encode("ascii"))
    return secret


def _read(path: Path) -> str:
    try:
        stream = open_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        return ""
    with stream:
        found = os.fstat(stream.fileno())
        if found.st_mode & 0o077 and found.st_uid == os.geteuid():
            os.fchmod(stream.fileno(), 0o600)
        return stream.read(_MOST_BYTES).decode("ascii")
