"""Faults from inside a process: SIGUSR2 reads the file BATON_CHAOS_FAULT names and does what it says.

Python imports this module at start when its folder is on PYTHONPATH, so it is in every process of a chaos
run and in no other.
"""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

_LEAK_BYTES = 64 << 20

_right_time = time.time


def _set_clock(seconds: float) -> None:
    """The process's time of day is off by so much from now on; `time.monotonic` is not, as on a machine."""
    time.time = lambda: _right_time() + seconds


def _leak() -> None:
    """Takes memory and keeps it, until killed."""
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1)) * _LEAK_BYTES)
        time.sleep(0.02)


def _fault(_number: int, _frame: object) -> None:
    fault = Path(os.environ["BATON_CHAOS_FAULT"]).read_text(encoding="ascii").strip()
    if fault == "segfault":
        ctypes.string_at(0)
    elif fault == "deadlock":
        ctypes.PyDLL(None).sleep(3600)  # PyDLL calls hold the interpreter's lock
    elif fault == "leak":
        threading.Thread(target=_leak, daemon=True).start()
    elif fault.startswith("clock "):
        _set_clock(float(fault.removeprefix("clock ")))


if "BATON_CHAOS_FAULT" in os.environ:
    signal.signal(signal.SIGUSR2, _fault)
