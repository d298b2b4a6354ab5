"""A sign of life of processes that have no row in the database: a file in `run/`.

Its time of change is set to a reading of `settings.clock.steady`, and its name tells whose reading that is, by the
start of the machine and the container: the file is empty, as a full disk would refuse bytes, and the time of day is
nowhere in it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from db.silence import Silence
from settings.clock import boot_name, seconds_since, steady
from settings.home import Home
from settings.processes import process_space

#: How often a process gives it; many loops turn faster.
PULSE_SECONDS = 1.0

#: Files that nobody touched for so long are removed: machines and containers come and go, each with its own.
_FORGOTTEN_SECONDS = 600.0


class Pulse:
    """Call `beat` in every round of a loop."""

    def __init__(self, home: Home, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = _file(home, name)
        self._others = f"{name}-*.pulse"
        self._clock = clock
        self._silence = Silence(clock)
        self._next = clock()

    def beat(self) -> None:
        now = self._clock()
        if now >= self._next:
            self._touch(int(steady() * 1e9))
            self._forget()
            self._next = now + PULSE_SECONDS

    def _touch(self, moment: int) -> None:
        try:
            os.utime(self._file, ns=(moment, moment))
        except FileNotFoundError:
            self._file.touch()
            os.utime(self._file, ns=(moment, moment))

    def _forget(self) -> None:
        """Others' files that stay as they are. Whoever was only asleep makes its own again."""
        said: dict[Path, int] = {}
        for other in self._file.parent.glob(self._others):
            with suppress(FileNotFoundError):
                said[other] = other.stat().st_mtime_ns
        for other, seconds in self._silence.seconds(said).items():
            if seconds > _FORGOTTEN_SECONDS and other != self._file:
                other.unlink(missing_ok=True)


def pulse_age_seconds(home: Home, name: str) -> float | None:
    """Age of the last beat under `name` on this machine, in this container of it where it is one; None when there
    was none since it started."""
    try:
        return seconds_since(boot_name(), _file(home, name).stat().st_mtime)
    except FileNotFoundError:
        return None


def _file(home: Home, name: str) -> Path:
    """By who reads and writes it: machines and containers share a home, and names of hosts change."""
    whose = process_space() or f"{boot_name()} {socket.gethostname()}"
    return home.run / f"{name}-{hashlib.sha256(whose.encode()).hexdigest()[:12]}.pulse"
