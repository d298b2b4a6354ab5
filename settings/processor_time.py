"""What the kernel gave a process: whether it got further, and how long it was ready and others ran (Linux).

A process that is stopped gets nothing and waits for nothing; one on a machine that is full gets little and waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Fields of proc(5)'s /proc/PID/stat, counted from 1.
_MAJOR_FAULTS, _USER, _SYSTEM = 12, 14, 15


@dataclass(frozen=True)
class ProcessorTime:
    """ran: by thread, in units that only grow. waited: nanoseconds that a thread was ready to run and did not, as far
    as the kernel tells. faults: pages that it waited for a disk for."""

    ran: Mapping[int, int]
    waited: Mapping[int, int]
    faults: int

    def has_run_since(self, before: ProcessorTime) -> bool:
        return self.faults > before.faults or any(
            ran > before.ran.get(thread, 0) for thread, ran in self.ran.items()
        )

    def waited_since(self, before: ProcessorTime) -> float:
        """Seconds, of the thread that waited longest."""
        more = [waited - before.waited.get(thread, 0) for thread, waited in self.waited.items()]
        return max(more, default=0) / 1e9


def processor_time(pid: int) -> ProcessorTime | None:
    """None of a process that is gone, or is not to be read here."""
    try:
        fields = _fields(Path(f"/proc/{pid}/stat"))
        ran: dict[int, int] = {}
        waited: dict[int, int] = {}
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended
                number = int(thread.name)
                try:
                    ran[number], waited[number], *_ = map(int, (thread / "schedstat").read_text().split())
                except FileNotFoundError:  # a kernel that does not count it
                    own = _fields(thread / "stat")
                    ran[number] = int(own[_USER]) + int(own[_SYSTEM])
    except (OSError, ValueError, IndexError):
        return None
    return ProcessorTime(ran, waited, int(fields[_MAJOR_FAULTS]))


def _fields(stat: Path) -> list[str]:
    """By number: a name may hold blanks."""
    return ["", "", "", *stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()]
