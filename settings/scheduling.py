"""How the system schedules this process, put back after a library that changes it.

SVT-AV1, run as root, makes its threads and the one that calls it real-time (SCHED_FIFO), and leaves them so: whatever
that thread starts from then on is real-time too, and starves everything else on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def kept_scheduling() -> Iterator[Callable[[], None]]:
    """Policy and priority of all threads of this process are those of the calling one at the beginning, at the end and
    whenever what is given is called."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)

    def put_back() -> None:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it ended
                if os.sched_getscheduler(int(thread.name)) != policy:
                    os.sched_setscheduler(int(thread.name), policy, parameters)

    try:
        yield put_back
    finally:
        put_back()
