"""The clock that nobody sets."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from settings import clock
from settings.clock import boot_name, seconds_since, steady
from tests.processes import environment


def test_readings_of_processes_of_one_start_may_be_compared() -> None:
    before = steady()
    code = "from settings.clock import *; print(steady(), boot_name(), sep='|')"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    ).stdout
    moment, _, boot = said.strip().partition("|")
    assert before <= float(moment) <= steady()
    assert boot == boot_name() != ""
    assert seconds_since(boot, float(moment)) is not None


def test_an_age_is_of_this_start_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "steady", lambda: 100.0)
    assert seconds_since(boot_name(), 40.0) == 60.0
    assert seconds_since("another start", 40.0) is None
    assert seconds_since(None, 40.0) is None
    assert seconds_since(boot_name(), None) is None
    assert seconds_since(boot_name(), 101.0) is None, "where the kernel names no start: from before a restart"


def test_it_is_not_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    before = steady()
    monkeypatch.setattr(time, "time", lambda: 1e12)
    assert 0.0 <= steady() - before < 60.0


def test_without_a_clock_that_counts_sleep_it_is_the_monotonic_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert abs(steady() - time.monotonic()) < 60.0
