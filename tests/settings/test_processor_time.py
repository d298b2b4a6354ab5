"""What the kernel gave a process: one that runs is told from one that is stopped, however little it is given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settings.processor_time import ProcessorTime, processor_time

BUSY = "print(flush=True)\nwhile True: pass"


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def waited_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def of(pid: int) -> ProcessorTime:
    found = processor_time(pid)
    assert found is not None
    return found


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_one_that_runs_has_run_later(busy: subprocess.Popen[bytes]) -> None:
    before = of(busy.pid)
    waited_for(lambda: of(busy.pid).has_run_since(before))


def test_one_that_is_stopped_never_has(busy: subprocess.Popen[bytes]) -> None:
    os.kill(busy.pid, signal.SIGSTOP)
    waited_for(lambda: is_stopped(busy.pid))
    before = of(busy.pid)
    for _ in range(20):
        assert not of(busy.pid).has_run_since(before)
    os.kill(busy.pid, signal.SIGCONT)
    waited_for(lambda: of(busy.pid).has_run_since(before))


def test_the_thread_that_waited_longest_counts() -> None:
    before = ProcessorTime(ran={1: 5, 2: 7}, waited={1: 10, 2: 10}, faults=0)
    later = ProcessorTime(ran={1: 5, 2: 8, 3: 2}, waited={1: 1_000_000_010, 2: 12, 3: 400}, faults=0)
    assert later.waited_since(before) == pytest.approx(1.0)
    assert later.has_run_since(before)
    assert not before.has_run_since(later), "a thread that ended took its time along"


def test_pages_that_were_read_are_progress_too() -> None:
    before = ProcessorTime(ran={1: 5}, waited={1: 0}, faults=3)
    assert ProcessorTime(ran={1: 5}, waited={1: 0}, faults=4).has_run_since(before)


def test_of_a_process_that_is_gone_nothing_is_known(busy: subprocess.Popen[bytes]) -> None:
    busy.kill()
    busy.wait()
    assert processor_time(busy.pid) is None


def test_a_kernel_that_counts_no_waiting_says_none() -> None:
    before, now = ProcessorTime({1: 5}, {}, 0), ProcessorTime({1: 7}, {}, 0)
    assert (now.has_run_since(before), now.waited_since(before)) == (True, 0.0)
