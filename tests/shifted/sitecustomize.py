"""A time of day that is set while a process runs: off by the seconds in the file BATON_TEST_CLOCK names, read anew each
time. Python imports this module at start when its folder is on PYTHONPATH."""

import os
import time
from pathlib import Path

_right, _right_ns = time.time, time.time_ns


def _shift() -> float:
    try:
        return float(Path(os.environ["BATON_TEST_CLOCK"]).read_text(encoding="ascii") or 0.0)
    except FileNotFoundError:
        return 0.0


if "BATON_TEST_CLOCK" in os.environ:
    time.time = lambda: _right() + _shift()
    time.time_ns = lambda: _right_ns() + int(_shift() * 1e9)
