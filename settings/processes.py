"""Which process a number stands for.

A process is told from every other by the start of its machine, its PID namespace (pid_namespaces(7)), its number and
when it began. Names of machines are for people: two may share one, and a lease or a tunnel changes them.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

import psutil

from settings.clock import boot_id, boot_name
from settings.faults import need_fact

_SELF = Path("/proc/self")

#: Field 3 of proc(5)'s /proc/PID/stat.
_ZOMBIE = "Z"


@lru_cache(maxsize=1)
def process_space() -> str | None:
    """Names what numbers of processes count in: this start of this machine, and this process's PID namespace.

    None where the kernel names neither, or /proc shows another namespace: nothing is known of other processes there.
    """
    if boot_id() is None or not _proc_is_ours():
        return None
    try:
        return f"{boot_name()} {(_SELF / 'ns' / 'pid').readlink()}"
    except OSError as error:
        need_fact(error)
        return None


def process_lives(space: str | None, pid: int, started_at: float | None) -> bool | None:
    """Whether that very process runs (its number may since belong to another); None where this process cannot know.

    space: the `process_space` of that process, as it told it; started_at: its `process_start`.
    """
    if space is None or space != process_space():
        return None
    try:
        began, has_ended = _look_up(pid)
    except psutil.NoSuchProcess:
        return False
    return began == started_at and not has_ended


def process_start(pid: int) -> float:
    """A number that tells a process from others that had its number, whatever is done to the clock.

    On Linux the seconds from the machine's start to the process's (field 22 of proc(5)'s /proc/PID/stat): the
    time of day at which it started changes whenever the clock is set. 0.0 where /proc shows another namespace.
    Raises psutil.NoSuchProcess.
    """
    began, _ = _look_up(pid)
    return began


def _look_up(pid: int) -> tuple[float, bool]:
    """When it began (`process_start`), and whether it has ended and nobody has waited for it."""
    if not sys.platform.startswith("linux"):
        process = psutil.Process(pid)
        return process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    if not _proc_is_ours():
        return 0.0, False
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    after_name = fields.rpartition(")")[2].split()  # from field 3 on: a name may hold blanks
    return int(after_name[22 - 3]) / os.sysconf("SC_CLK_TCK"), after_name[3 - 3] == _ZOMBIE


def _proc_is_ours() -> bool:
    """`unshare --pid` without a /proc of its own leaves that of the namespace above, where numbers are others."""
    try:
        return str(_SELF.readlink()) == str(os.getpid())
    except OSError as error:
        need_fact(error)
        return False
