"""A clock that nobody sets, for everything that is a duration.

The time of day (`time.time`) is set: by NTP after a machine woke up, by an administrator, by a virtual machine that is
moved. Two of its readings have no difference that means anything. It is recorded for people and compared with nothing.
"""

from __future__ import annotations

import socket
import time
from functools import lru_cache
from pathlib import Path

from settings.faults import need_fact

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/ns/time")


def steady() -> float:
    """Seconds since this machine started, time in which it was suspended included; never set.

    Linux's CLOCK_BOOTTIME (clock_gettime(2)), elsewhere `time.monotonic`. Processes of one `boot_name` may compare
    their readings. What shall not count while a machine is suspended is measured with `time.monotonic`.
    """
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return time.monotonic()


@lru_cache(maxsize=1)
def boot_name() -> str:
    """Names what `steady` counts from: this start of this machine (proc_sys_kernel(5)), and the process's time
    namespace (time_namespaces(7)) where the machine has any.

    Where the kernel names no start, the host's name: a reading from before a restart is then in the future.
    """
    boot = boot_id() or socket.gethostname()
    try:
        return f"{boot} {_TIME_NAMESPACE.readlink()}"
    except OSError as error:
        need_fact(error)
        return boot


def boot_id() -> str | None:
    """The kernel's random name of this start of this machine; None where it has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    except OSError as error:
        need_fact(error)  # another name would be another machine
        return None


def seconds_since(boot: str | None, moment: float | None) -> float | None:
    """Age of a reading of `steady` that was recorded with its `boot_name`; None where it is of another start."""
    if moment is None or boot != boot_name():
        return None
    age = steady() - moment
    return age if age >= 0.0 else None
