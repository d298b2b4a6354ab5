"""Where the services of this home listen, for those who want to link to them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from settings import files
from settings.home import Home


def note_address(home: Home, service: str, url: str) -> None:
    """Call in the process that serves `url`; the note counts while that process lives.

    Where people reach it by another address, `BATON_<SERVICE>_URL` names that one.
    """
    with files.whole(_note(home, service), mode=0o600) as stream:
        stream.write((os.environ.get(f"BATON_{service.upper()}_URL") or url).encode())
        # Never closed: the kernel takes the lock away with the process. Other containers see it too, but not the pid.
        os.dup(stream.fileno())


def address_of(home: Home, service: str) -> str | None:
    """Where this home's service listens on this machine; None when it does not run, or is not for this user to see."""
    place = _note(home, service)
    while True:
        try:
            note = place.open("rb")
        except (FileNotFoundError, PermissionError):
            return None
        with note:
            try:
                fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return note.read().decode(errors="replace")
            if files.lies_at(note.fileno(), place.resolve()):  # else another process noted its own meanwhile
                return None


def _note(home: Home, service: str) -> Path:
    return home.run / f"{service}.url"
