"""How fast what is fetched comes. The jobs themselves: `tests/experiments/reconvla/test_hub_data.py`."""

from __future__ import annotations

import pytest

from tasks.data.fetch import Pace, steps_of


def test_the_pace_is_that_of_late_and_the_time_left_is_at_that() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.values(0, 100_000_000) == {}
    now[0] = 2.0
    assert pace.values(4_000_000, 100_000_000) == {"mb_per_second": 2.0, "seconds_left": 48.0}
    for _ in range(100):  # then nothing comes
        now[0] += 0.5
        last = pace.values(4_000_000, 100_000_000)
    assert last == {"mb_per_second": 0.0}
    now[0] += 0.5
    assert pace.values(3_000_000, 100_000_000) == {"mb_per_second": 0.0}, "bytes that have to come again"


@pytest.mark.parametrize(("size", "steps"), [(0, 1), (1, 1), (1 << 20, 1), ((1 << 20) + 1, 2)])
def test_a_step_is_a_mebibyte(size: int, steps: int) -> None:
    assert steps_of(size) == steps


def test_status_shows_it_beside_the_steps() -> None:
    from views.status_screen import _pace

    assert _pace({"step": 1, "total": 9, "values": {"mb_per_second": 12.34, "seconds_left": 3900.0}}) == (
        ", 12.3 MB/s, 65 min left"
    )
    assert _pace({"step": 1, "total": 9, "values": {"mb_per_second": 0.0}}) == ", 0.0 MB/s"
    assert _pace({"step": 1, "total": 9, "values": {"total": 1.0}}) == ""
