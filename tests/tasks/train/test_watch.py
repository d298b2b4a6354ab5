"""When ranks stand still, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.train.gang.watch import Watch
from tasks.train.gang.words import LAUNCHER, LOADING, MEASURING, SAVING, STEPPING


def silent(
    watch: Watch, since: float, seconds: float, look: float = 0.5, alive: Sequence[int] = (LAUNCHER, 0, 1)
) -> str | None:
    """What is said after so long without a word but signs of life, looked at every `look` seconds."""
    said = None
    for number in range(1, int(seconds / look) + 1):
        for rank in alive:
            watch.alive(rank)
        said = said or watch.look(since + number * look)
    return said


def stepping(step: float, steps: int = 5) -> Watch:
    watch = Watch(0.0, 600.0)
    watch.ranks(2)
    watch.stage(STEPPING, 900.0)
    for _ in range(steps):
        watch.step(step)
    return watch


@pytest.mark.parametrize(("step", "allowed"), [(0.1, 20.0), (0.9, 20.0), (3.0, 60.0)])
def test_no_step_for_twenty_steps_and_twenty_seconds_is_standing_still(step: float, allowed: float) -> None:
    assert silent(stepping(step), 0.0, allowed) is None
    said = silent(stepping(step), 0.0, allowed + 1)
    assert said is not None and said.startswith(f"ranks stand still: no step for {allowed:.0f} s")
    assert f"a step takes {step:g} s" in said


def test_a_rank_ten_times_slower_goes_on() -> None:
    watch, now = stepping(4.0), 0.0
    for _ in range(5):
        assert silent(watch, now, 40.0) is None
        now += 40.0
        watch.step(40.0)


def test_stages_have_bounds_of_their_own() -> None:
    watch = stepping(0.1)
    watch.stage(SAVING, 300.0)
    assert silent(watch, 0.0, 300.0) is None
    assert "while saving: nothing for 300 s" in str(silent(watch, 300.0, 2.0))
    watch.stage(MEASURING, 100.0)
    watch.stage(STEPPING, 900.0)
    assert silent(watch, 302.0, 18.0) is None
    assert silent(watch, 320.0, 3.0) is not None, "steps are known already"


def test_the_first_step_may_take_as_long_as_is_said() -> None:
    watch = Watch(0.0, 600.0)
    assert silent(watch, 0.0, 599.0) is None
    watch.stage(STEPPING, 900.0)
    assert silent(watch, 599.0, 899.0) is None
    assert "no step for 900 s" in str(silent(watch, 1498.0, 3.0))


def test_where_nobody_could_look_the_ranks_had_no_time_either() -> None:
    watch = stepping(0.1)
    assert watch.look(3600.0) is None, "the machine slept, or the attempt was stopped"
    assert silent(watch, 3600.0, 17.0) is None
    assert silent(watch, 3617.0, 3.0) is not None


@pytest.mark.parametrize(("stage", "allowed"), [(SAVING, 20.0), (MEASURING, 20.0), (LOADING, 60.0)])
def test_a_rank_without_a_sign_of_life_is_found_whatever_it_does(stage: str, allowed: float) -> None:
    watch = stepping(0.1)
    watch.stage(stage, 3600.0)
    said = None
    for number in range(1, int(allowed) + 3):
        watch.alive(0)
        said = said or watch.look(float(number))
        assert (said is None) is (number <= allowed)
    assert str(said).startswith(f"rank 1 stands still while {stage}: no sign of life for {allowed + 1:.0f} s")


def test_who_is_frozen_before_its_first_word_is_found() -> None:
    """First what starts the ranks, then each rank; others are alive, and the start as a whole may take long."""
    watch, said = Watch(0.0, 600.0), []
    for number in range(1, 400):
        if number < 50:
            watch.alive(LAUNCHER)
        if number == 50:
            watch.ranks(3)
        for rank in (0, 2):
            watch.alive(rank)
        said.append(watch.look(float(number)))
    first = next(number for number, each in enumerate(said, 1) if each is not None)
    assert (first, said[first - 1]) == (140, "rank 1 stands still while starting: no sign of life for 91 s")
    launcher = silent(Watch(0.0, 600.0), 0.0, 91.0, alive=())
    assert str(launcher).startswith("the launcher of the ranks stands still while starting")


def test_of_several_the_one_is_named_that_was_silent_longest() -> None:
    watch = stepping(0.1)
    watch.stage(SAVING, 3600.0)
    assert silent(watch, 0.0, 15.0, alive=()) is None
    watch.alive(0)
    assert str(silent(watch, 15.0, 8.0, alive=())).startswith("rank 1 stands still")


def test_a_checkpoint_beside_the_steps_has_a_bound_and_steps_go_on() -> None:
    watch, said = stepping(0.1), []
    for number in range(1, 400):
        if number in (1, 100):
            watch.saving(150.0)
        if number == 90:
            watch.saved()
        watch.alive(0)
        watch.alive(1)
        watch.step(0.1)
        said.append(watch.look(float(number)))
    first = next(number for number, each in enumerate(said, 1) if each is not None)
    assert (first, said[first - 1]) == (250, "a checkpoint stands still: not written after 151 s")
