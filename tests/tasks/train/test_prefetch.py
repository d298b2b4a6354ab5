"""Values ahead of need, in order, with their errors, and no thread left behind."""

from __future__ import annotations

import threading

import pytest

from errors import BatonError
from tasks.train.prefetch import Prefetcher


def threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_values_come_in_order_and_are_made_by_another_thread() -> None:
    makers: set[int] = set()

    def make(step: int) -> tuple[int, str]:
        makers.add(threading.get_ident())
        return step, "made"

    with Prefetcher(make, 3, 20) as ahead:
        assert [ahead.get(step) for step in range(3, 20)] == [(step, "made") for step in range(3, 20)]
    assert makers.isdisjoint({threading.get_ident()}) and len(makers) == 1
    assert threads() == 0


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []
    enough = threading.Event()

    def make(step: int) -> int:
        made.append(step)
        if len(made) == 4:
            enough.set()
        return step + 100

    with Prefetcher(make, 0, 1000, ahead=3) as ahead:
        assert ahead.get(0) == 100
        assert enough.wait(60)
    assert len(made) <= 5, "three wait, one was taken, one is in hand"
    assert threads() == 0


def test_an_error_belongs_to_its_step() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("no such row")
        return step + 1

    with Prefetcher(make, 0, 10) as ahead:
        assert [ahead.get(0), ahead.get(1)] == [1, 2]
        with pytest.raises(ValueError, match="no such row"):
            ahead.get(2)
    assert threads() == 0


def test_steps_are_taken_one_after_the_other() -> None:
    with Prefetcher(lambda step: step + 1, 0, 3) as ahead:
        with pytest.raises(BatonError, match="step 1 was asked for, step 0 of 3 comes next"):
            ahead.get(1)
        assert [ahead.get(step) for step in range(3)] == [1, 2, 3]
        with pytest.raises(BatonError):
            ahead.get(3)


def test_without_a_thread_values_are_made_when_asked_for() -> None:
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        if step == 2:
            raise ValueError("no such row")
        return step + 1

    with Prefetcher(make, 0, 10, ahead=0) as ahead:
        assert made == [] and threads() == 0
        assert [ahead.get(0), ahead.get(1)] == [1, 2] and made == [0, 1]
        with pytest.raises(BatonError, match="step 0 was asked for, step 2 of 10 comes next"):
            ahead.get(0)
        with pytest.raises(ValueError, match="no such row"):
            ahead.get(2)
