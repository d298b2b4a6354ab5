"""Dying with the process that started this one, so that a killed command leaves nothing behind.

Run as a script it does so for another program: `python parent.py PROGRAM ARGUMENTS...` replaces itself by it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

PARENT_VARIABLE = "BATON_PARENT_PID"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Have the kernel kill this process when the one named in BATON_PARENT_PID is gone (Linux)."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before the call above
        os.kill(os.getpid(), signal.SIGKILL)


def left_by(parent: int) -> list[int]:
    """Processes that were told to die with this one, whether it lives or not, and do not yet: one that is stopped
    before its first line never does. Only those whose environment may be read; none where there is no /proc."""
    told, found = f"{PARENT_VARIABLE}={parent}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if told in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return sorted(found)


if __name__ == "__main__":
    die_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])
