"""The forecast is a range that contains what a scheduler really does."""

from __future__ import annotations

import heapq
import random

import pytest

from db.progress import OpenWork
from views.forecast import TimeLeft, pace_range, time_left


def test_one_kind_on_one_worker() -> None:
    left = time_left([OpenWork("train", "cpu", 300, 200)], {"train": [0.1] * 10}, {"cpu": 1})
    assert left == TimeLeft(pytest.approx(30.0), pytest.approx(50.0), ())


def test_what_never_ran_is_named_and_not_guessed() -> None:
    work = [OpenWork("train", "cpu", 100, 100), OpenWork("evaluate", "cpu", 30, 10)]
    left = time_left(work, {"train": [0.1] * 10}, {"cpu": 1})
    assert left.untimed == ("evaluate",)
    assert left.low_seconds == pytest.approx(10.0)


@pytest.mark.parametrize("workers", [{}, {"cpu": 2}, {"accelerator": 0, "cpu": 2}])
def test_without_workers_nothing_is_promised(workers: dict[str, int]) -> None:
    left = time_left([OpenWork("train", "accelerator", 100, 100)], {"train": [0.1] * 5}, workers)
    assert left == TimeLeft(None, None, ())


def test_nothing_left_takes_no_time() -> None:
    assert time_left([], {}, {"cpu": 1}) == TimeLeft(0.0, 0.0, ())


def test_few_attempts_give_a_wide_range() -> None:
    assert pace_range([2.0]) == (1.0, 4.0)
    low, high = pace_range([2.0, 2.0, 2.1, 1.9, 2.0, 9.0])
    assert 1.9 <= low < high < 9.0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("workers", [1, 3])
def test_the_range_contains_a_greedy_schedule(seed: int, workers: int) -> None:
    """Two stages, jobs of random lengths at a known pace, each worker taking the next one that is ready."""
    draw = random.Random(seed)
    first = [draw.randint(1, 50) for _ in range(draw.randint(1, 12))]
    second = [draw.randint(1, 50) for _ in range(draw.randint(1, 12))]
    free = [0.0] * workers
    for stage in (first, second):
        begin = max(free)
        free = [begin] * workers
        for steps in stage:
            heapq.heappush(free, heapq.heappop(free) + steps * 0.5)
    work = [
        OpenWork(kind, "cpu", sum(steps), max(steps))
        for kind, steps in (("ingest", first), ("train", second))
    ]
    left = time_left(work, {"ingest": [0.5] * 9, "train": [0.5] * 9}, {"cpu": workers})
    assert left.low_seconds is not None and left.high_seconds is not None
    assert left.low_seconds - 1e-9 <= max(free) <= left.high_seconds + 1e-9
