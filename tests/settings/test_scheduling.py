"""Scheduling is put back, for threads that are there at the end too."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from settings.scheduling import kept_scheduling


def policies() -> set[int]:
    return {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()}


def test_what_a_library_changed_is_put_back() -> None:
    before, go_on, ready = policies(), threading.Event(), threading.Event()

    def other() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # what needs no right
        ready.set()
        go_on.wait(10)

    thread = threading.Thread(target=other)
    with pytest.raises(ValueError), kept_scheduling() as put_back:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        put_back()
        assert os.sched_getscheduler(0) in before
        thread.start()
        ready.wait(10)
        raise ValueError
    after = policies()
    go_on.set()
    thread.join()
    assert after == before
