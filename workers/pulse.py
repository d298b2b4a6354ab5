"""A sign of life of processes that have no row in the database: a file in `run/`.

Its time of change is set to a reading of `settings.clock.steady`, and its name tells the start of the machine which
that is of: the file is empty, as a full disk would refuse bytes, and the time of day is nowhere in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from pathlib import Path

from settings.clock import boot_name, seconds_since, steady
from settings.home import Home

#: How often a process gives it; many loops turn faster.
PULSE_SECONDS = 1.0


class Pulse:
    """Call `beat` in every round of a loop."""

    def __init__(self, home: Home, name: str) -> None:
        self._file = _file(home, name)
        self._next = 0.0
        mine = re.compile(rf"{re.escape(_of_host(name))}(-[0-9a-f]{{12}})?\.pulse")
        for old in home.run.glob("*.pulse"):
            if old != self._file and mine.fullmatch(old.name):  # of an earlier start, or an earlier version
                old.unlink(missing_ok=True)

    def beat(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._touch(int(steady() * 1e9))
            self._next = now + PULSE_SECONDS

    def _touch(self, moment: int) -> None:
        try:
            os.utime(self._file, ns=(moment, moment))
        except FileNotFoundError:
            self._file.touch()
            os.utime(self._file, ns=(moment, moment))


def pulse_age_seconds(home: Home, name: str) -> float | None:
    """Age of this host's last beat under `name`; None when there was none since the machine started."""
    try:
        return seconds_since(boot_name(), _file(home, name).stat().st_mtime)
    except FileNotFoundError:
        return None


def _file(home: Home, name: str) -> Path:
    """By host, as containers share a home, and by the machine's start."""
    return home.run / f"{_of_host(name)}-{hashlib.sha256(boot_name().encode()).hexdigest()[:12]}.pulse"


def _of_host(name: str) -> str:
    return f"{name}-{socket.gethostname()}"
