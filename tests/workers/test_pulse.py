"""A pulse is as old as it is, whatever the time of day became."""

from __future__ import annotations

import os
import time

import pytest

from settings import clock
from settings.home import Home
from tests.support import Clock
from workers import pulse
from workers.pulse import Pulse, pulse_age_seconds


@pytest.mark.parametrize("shift", [-172_800.0, -3600.0, 0.0, 3600.0, 172_800.0])
def test_its_age_is_by_the_machines_steady_clock(
    home: Home, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    steady = Clock()
    monkeypatch.setattr(pulse, "steady", steady)
    monkeypatch.setattr(clock, "steady", steady)
    now = time.time()
    assert pulse_age_seconds(home, "scheduler") is None
    Pulse(home, "scheduler").beat()
    monkeypatch.setattr(time, "time", lambda: now + shift)
    steady.now += 12.5
    assert pulse_age_seconds(home, "scheduler") == 12.5


def test_one_of_another_machine_or_container_is_none_and_goes_once_it_is_silent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever hosts are called: they share a home, and a restart is another start."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(pulse, "process_space", lambda: "another start pid:[4026531836]")
        there = Pulse(home, "scheduler")
        there.beat()
    (home.run / f"scheduler-{os.uname().nodename}.pulse").touch()  # of an earlier version
    assert pulse_age_seconds(home, "scheduler") is None
    now = Clock()
    here = Pulse(home, "scheduler", now)
    monkeypatch.setattr("socket.gethostname", lambda: "a name by DHCP")
    here.beat()
    assert pulse_age_seconds(home, "scheduler") is not None
    assert len(list(home.run.glob("*.pulse"))) == 3
    for _ in range(700):
        now.now += 1.0
        here.beat()
    assert len(list(home.run.glob("*.pulse"))) == 1 and pulse_age_seconds(home, "scheduler") is not None
