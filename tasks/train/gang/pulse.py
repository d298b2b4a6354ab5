"""What the kernel gave the processes of an attempt: signs of life that need nothing of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from settings.parent import left_by
from settings.processor_time import ProcessorTime, processor_time
from tasks.train.gang.words import LAUNCHER

#: Between two times that the kernel is asked.
_SECONDS = 1.0


@dataclass(frozen=True)
class Pulse:
    """Of a rank's process, or the launcher's, since the one before. ran: whether it got further. waited: share of the
    time that it was ready to run and others ran, 0 to 1."""

    rank: int
    ran: bool
    waited: float = 0.0


class Pulses:
    """Of a launcher and of the ranks that it started."""

    def __init__(self, launcher: int) -> None:
        self._launcher = launcher
        self._processes = {LAUNCHER: launcher}
        self._before: dict[int, tuple[float, ProcessorTime]] = {}
        self._asked = 0.0

    def felt(self, wanted: bool) -> list[Pulse] | None:
        """Of those that were seen before, and live; None where it is too soon. Empty where it is not wanted, and what
        was seen is forgotten: it would be too long ago to be compared with."""
        if not wanted:
            self._before.clear()
            return []
        if time.monotonic() - self._asked < _SECONDS:
            return None
        self._asked = time.monotonic()
        self._processes.update(_ranks_of(self._launcher))
        return list(self._compared())

    def _compared(self) -> Iterator[Pulse]:
        for rank, pid in self._processes.items():
            now, found = time.monotonic(), processor_time(pid)
            if found is None:
                continue
            if rank in self._before:
                since, before = self._before[rank]
                share = found.waited_since(before) / max(now - since, 1e-3)
                yield Pulse(rank, found.has_run_since(before), min(1.0, share))
            self._before[rank] = now, found


def _ranks_of(launcher: int) -> Iterator[tuple[int, int]]:
    """(rank, process). What a rank starts has its environment, and another parent."""
    for pid in left_by(launcher):
        with suppress(OSError, ValueError, StopIteration):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            if int(stat.rpartition(")")[2].split()[1]) == launcher:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                told = next(value for value in variables if value.startswith(b"RANK="))
                yield int(os.fsdecode(told).removeprefix("RANK=")), pid
