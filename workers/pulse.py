"""A sign of life of processes that have no row in the database: the age of a file in `run/`."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from settings.home import Home

#: How often a process gives it; many loops turn faster.
PULSE_SECONDS = 1.0


class Pulse:
    """Call `beat` in every round of a loop."""

    def __init__(self, home: Home, name: str) -> None:
        self._file = _file(home, name)
        self._next = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._file.touch()
            self._next = now + PULSE_SECONDS


def pulse_age_seconds(home: Home, name: str) -> float | None:
    """Age of this host's last beat under `name`; None when there was none."""
    try:
        return max(0.0, time.time() - _file(home, name).stat().st_mtime)
    except FileNotFoundError:
        return None


def _file(home: Home, name: str) -> Path:
    """By host, as containers share a home."""
    return home.run / f"{name}-{socket.gethostname()}.pulse"
