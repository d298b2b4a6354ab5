"""What is watched is told at its first change, or after all of the time."""

from __future__ import annotations

import pytest

from settings import watching
from settings.watching import watched
from tests.support import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands still but while somebody sleeps."""
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(watching.time, "monotonic", clock)
    monkeypatch.setattr(watching.time, "sleep", sleep)
    return clock


def test_the_first_change_ends_it(clock: Clock) -> None:
    looks = iter(["a", "a", "b", "c"])
    assert watched(lambda: next(looks), "a", seconds=60.0, look_seconds=1.0) == "b"
    assert clock.now == 103.0


@pytest.mark.parametrize(("look_seconds", "looks"), [(1.0, 3), (2.0, 2), (60.0, 1)])
def test_what_stands_still_is_watched_for_all_of_the_time(
    clock: Clock, look_seconds: float, looks: int
) -> None:
    seen: list[float] = []
    assert watched(lambda: seen.append(clock.now), None, seconds=3.0, look_seconds=look_seconds) is None
    assert len(seen) == looks and seen[-1] >= 103.0
