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


def test_one_of_before_a_restart_is_none_and_goes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "boot_name", lambda: "an earlier start")
    Pulse(home, "scheduler").beat()
    earlier_version = home.run / f"scheduler-{os.uname().nodename}.pulse"
    of_another_host = home.run / f"scheduler-{os.uname().nodename}-two-0123456789ab.pulse"
    for file in (earlier_version, of_another_host):
        file.touch()
    monkeypatch.undo()
    assert pulse_age_seconds(home, "scheduler") is None
    Pulse(home, "scheduler").beat()
    assert pulse_age_seconds(home, "scheduler") is not None
    assert len(list(home.run.glob("*.pulse"))) == 2 and of_another_host.exists()
