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


def never_followed(home: Path) -> list[int]:
    """Processes of Baton's that work on this home, are stopped, and whose parent is gone: they were stopped before the
    kernel was told to end them with it, and would end themselves if they went on. Those of other PID namespaces count
    in numbers of their own, and are left alone; none where there is no /proc."""
    root, found = Path(__file__).resolve().parent.parent, []
    ours = {os.fsencode(root), os.fsencode(root / "cli.py")}
    place = os.fsencode(home.absolute())
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            its_own = any(word == place or word.startswith(place + b"/") for word in words)
            if its_own and not ours.isdisjoint(words) and _is_stopped(process) and _has_lost_parent(process):
                found.append(int(process.name))
    return sorted(found)


def _is_stopped(process: Path) -> bool:
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "T"


def _has_lost_parent(process: Path) -> bool:
    if (process / "ns" / "pid").readlink() != Path("/proc/self/ns/pid").readlink():
        return False
    begin = f"{PARENT_VARIABLE}=".encode()
    told = [word for word in (process / "environ").read_bytes().split(b"\0") if word.startswith(begin)]
    return bool(told) and not Path(f"/proc/{int(told[0].removeprefix(begin))}").exists()


if __name__ == "__main__":
    die_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])
