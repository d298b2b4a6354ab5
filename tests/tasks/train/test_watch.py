"""When ranks stand still, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tasks.train.gang.pulse import Pulse
from tasks.train.gang.watch import Watch
from tasks.train.gang.words import ENDING, LAUNCHER, LOADING, MEASURING, SAVING, STEPPING


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


def stands_still(happens: Callable[[Watch, int], None]) -> tuple[int, str]:
    """The first second at which ranks that step on are said to stand still, and the sentence. happens: in each."""
    watch = stepping(0.1)
    for number in range(1, 1000):
        happens(watch, number)
        watch.alive(0)
        watch.alive(1)
        watch.step(0.1)
        if (sentence := watch.look(float(number))) is not None:
            return number, sentence
    raise AssertionError("never")


def test_a_checkpoint_beside_the_steps_has_a_bound_and_steps_go_on() -> None:
    def happens(watch: Watch, number: int) -> None:
        if number in (1, 100):
            watch.saving(150.0)
        if number == 90:
            watch.saved()

    first, sentence = stands_still(happens)
    assert (first, sentence) == (250, "a checkpoint stands still: nothing of it was written for 151 s")


def first_said(
    watch: Watch, pulses: Sequence[Pulse], seconds: int, alive: Sequence[int] = (0, 1)
) -> tuple[int, str]:
    """(second, sentence) at which something is said, with these pulses every second; (0, "") where nothing is."""
    for second in range(1, seconds + 1):
        for rank in alive:
            watch.alive(rank)
        watch.feel(pulses)
        if (said := watch.look(float(second))) is not None:
            return second, said
    return 0, ""


@pytest.mark.parametrize("stage", [STEPPING, SAVING, MEASURING, LOADING, ENDING])
def test_a_rank_that_runs_lives_though_nothing_is_heard_of_it(stage: str) -> None:
    """Its signs of life are given by a thread, which a machine that is full lets run late."""
    watch = stepping(60.0)
    watch.stage(stage, 3600.0)
    pulses = [Pulse(0, ran=True), Pulse(1, ran=True)]
    assert first_said(watch, pulses, 900, alive=()) == (0, "")


@pytest.mark.parametrize("others", [0.0, 0.9])
def test_a_rank_that_is_stopped_is_found_as_soon_beside_others_that_run(others: float) -> None:
    watch = stepping(0.1)
    pulses = [Pulse(0, ran=True, waited=others), Pulse(1, ran=False)]
    second, said = first_said(watch, pulses, 100, alive=())
    assert second == 21 and "stand" in said


def test_time_that_the_machine_gave_to_others_does_not_count() -> None:
    """Of any rank, as each step waits for all of them."""
    watch = stepping(0.1)
    pulses = [Pulse(0, ran=True), Pulse(1, ran=True, waited=0.75)]
    second, said = first_said(watch, pulses, 200)
    assert (second, said) == (81, "ranks stand still: no step for 20 s, a step takes 0.1 s")
    watch = stepping(0.1)
    assert first_said(watch, [Pulse(0, ran=True), Pulse(1, ran=False)], 200)[0] == 21, "they do not wait"


def test_who_waits_for_ever_is_found_in_the_end() -> None:
    watch = stepping(0.1)
    second, _ = first_said(watch, [Pulse(0, ran=True, waited=1.0), Pulse(1, ran=True)], 1000)
    assert 400 <= second <= 401


def test_what_is_felt_counts_until_it_is_felt_again() -> None:
    watch = stepping(0.1)
    watch.feel([Pulse(0, ran=True, waited=0.9), Pulse(1, ran=True)])
    watch.step(0.1)
    watch.feel([])
    assert first_said(watch, [], 200)[0] == 21


def test_pulses_are_asked_for_where_silence_is_half_of_what_is_allowed() -> None:
    watch = stepping(0.1)
    assert silent(watch, 0.0, 10.0) is None and not watch.is_worried
    assert silent(watch, 10.0, 1.0) is None and watch.is_worried
    watch.step(0.1)
    assert not watch.is_worried
    assert silent(watch, 11.0, 11.0, alive=(0,)) is None and watch.is_worried
    watch.step(0.1)
    watch.alive(1)
    assert not watch.is_worried


@pytest.mark.parametrize("stage", [LOADING, SAVING, ENDING])
def test_a_stage_may_take_as_long_as_bytes_move(stage: str) -> None:
    watch = stepping(0.1)
    watch.stage(stage, 100.0)
    now = 0.0
    for _ in range(10):
        assert silent(watch, now, 90.0) is None
        now += 90.0
        watch.moved(1)
    assert silent(watch, now, 100.0) is None
    assert f"while {stage}: nothing for 100 s" in str(silent(watch, now + 100.0, 2.0))


@pytest.mark.parametrize("stage", [STEPPING, MEASURING])
def test_bytes_that_move_beside_the_steps_are_no_steps(stage: str) -> None:
    watch = stepping(0.1)
    watch.stage(stage, 20.0)
    watch.saving(1000.0)
    for second in range(1, 21):
        watch.moved(0)
        watch.moved(1)
        assert watch.look(float(second)) is None
    assert "stand still" in str(watch.look(21.0))


def test_a_checkpoint_beside_the_steps_may_take_as_long_as_bytes_move() -> None:
    def happens(watch: Watch, number: int) -> None:
        if number == 1:
            watch.saving(150.0)
        if number % 100 == 0 and number < 600:
            watch.moved(0)

    first, sentence = stands_still(happens)
    assert (first, sentence) == (650, "a checkpoint stands still: nothing of it was written for 151 s")


def test_a_rank_that_is_not_there_yet_is_on_the_launcher() -> None:
    watch = Watch(0.0, 600.0)
    watch.ranks(2)
    assert first_said(watch, [Pulse(LAUNCHER, ran=True), Pulse(0, ran=True)], 500, alive=()) == (0, "")
    for stopped in ([Pulse(LAUNCHER, ran=False)], [Pulse(LAUNCHER, ran=True), Pulse(1, ran=False)]):
        watch = Watch(0.0, 600.0)
        watch.ranks(2)
        second, said = first_said(watch, stopped, 500, alive=(0,))
        assert (second, said[:27]) == (91, "rank 1 stands still while s")
