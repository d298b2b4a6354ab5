"""Which workers jobs of several devices get: all at once, in their turn, and nobody waits for ever."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.jobs.seating import Given, Hand, Wish, seat

FOUR = [Hand(number, "here") for number in range(1, 5)]
GPUS = [Hand(number, "here", counted=True) for number in range(1, 5)]


def test_all_of_its_workers_at_once_and_the_rest_is_filled() -> None:
    wishes = [Wish(7, 2), Wish(8, 1, preferred=4), Wish(9, 1, preferred=1), Wish(10, 1)]
    found = seat(FOUR, {1, 2, 3, 4}, set(), wishes, 4)
    assert found == [Given(7, (1, 2)), Given(8, (4,)), Given(9, (3,))]


def test_busy_workers_are_set_aside_where_too_few_are_free() -> None:
    assert seat(GPUS, {3}, set(), [Wish(7, 3), Wish(8, 1)], 1) == [Given(7, (3, 1, 2))]
    assert seat(GPUS, {3, 4}, set(), [Wish(7, 3), Wish(8, 1)], 2) == [Given(7, (3, 4, 1))]
    assert seat(GPUS, set(), set(), [Wish(7, 2)], 0) == [], "it has its turn when one is free"


def test_bells_on_their_way_to_anybody_count() -> None:
    assert seat(FOUR, {1, 2}, set(), [Wish(7, 1), Wish(8, 1)], 1) == [Given(7, (1,))]


def test_who_finds_too_few_keeps_them_from_those_behind_but_not_from_small_jobs() -> None:
    """Two others have taken turns with two workers each for ever, else."""
    wishes = [Wish(7, 4), Wish(8, 2), Wish(9, 1)]
    assert seat(GPUS, {1, 2}, {3, 4}, wishes, 2) == [Given(9, (1,))]
    elsewhere = [*GPUS, Hand(5, "there", counted=True), Hand(6, "there", counted=True)]
    found = seat(elsewhere, {1, 2, 5, 6}, {3, 4}, wishes, 4)
    assert found == [Given(8, (5, 6)), Given(9, (1,))], "where the large one could never be"


def test_what_fits_nowhere_waits_and_holds_nothing() -> None:
    assert seat(GPUS, {1, 2, 3, 4}, set(), [Wish(7, 5), Wish(8, 2)], 4) == [Given(8, (1, 2))]
    two = [Hand(1, "here", counted=True), Hand(2, "there", counted=True)]
    assert seat(two, {1, 2}, set(), [Wish(7, 2)], 2) == [], "ranks of one job are on one machine"


def test_a_worker_of_several_gpus_is_one_seat_and_a_processor_takes_any_number() -> None:
    mixed = [Hand(1, "here", 2, counted=True), Hand(2, "here", counted=True), Hand(3, "here", counted=True)]
    assert seat(mixed, {1, 2, 3}, set(), [Wish(7, 2)], 3) == [Given(7, (1,))]
    assert seat(mixed, {2, 3}, set(), [Wish(7, 2)], 2) == [Given(7, (2, 3))]
    assert seat(mixed, {1, 2, 3}, set(), [Wish(7, 4)], 3) == [Given(7, (1, 2, 3))]
    assert seat(FOUR[:1], {1}, set(), [Wish(7, 8)], 1) == [Given(7, (1,))]


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=8),
    st.integers(0, 2**32),
    st.sampled_from([1, 2]),
)
def test_every_job_gets_its_turns_whatever_else_there_is(sizes: list[int], seed: int, places: int) -> None:
    """Slices of any length in any order, of one machine or of two: none is left waiting, and a worker has one job at a
    time."""
    chance = random.Random(seed)
    hands = apart(places, 4)
    apart_ones = {job for job, size in enumerate(sizes) if places == 2 and size % 2 == 0 and job % 2 == 0}

    def wishes(order: list[int]) -> list[Wish]:
        return [Wish(job, sizes[job], nodes=2 if job in apart_ones else 1) for job in order]

    turns = dict.fromkeys(range(len(sizes)), 0)
    running: dict[int, tuple[int, ...]] = {}
    gathering: dict[int, tuple[int, ...]] = {}
    waiting = set(turns)
    rounds = 0
    while min(turns.values()) < 3:
        busy = {worker for workers in running.values() for worker in workers}
        seated = {w for j, ws in (gathering | running).items() if sizes[j] > 1 for w in ws}
        order = sorted(waiting, key=lambda job: (turns[job], job))
        free = {hand.worker_id for hand in hands} - busy - seated
        for one in seat(hands, free, seated, wishes(order), len(free)):
            assert len(one.workers) == sizes[one.job_id] and not seated & set(one.workers)
            used = {hand.place for hand in hands if hand.worker_id in one.workers}
            assert len(used) == (2 if one.job_id in apart_ones else 1)
            seated |= set(one.workers) if sizes[one.job_id] > 1 else set()
            waiting.remove(one.job_id)
            gathering[one.job_id] = one.workers
        for job, workers in list(gathering.items()):
            if not busy & set(workers):
                running[job] = gathering.pop(job)
                assert len(set(sum(running.values(), ()))) == len(sum(running.values(), ()))
                busy |= set(workers)
        assert running, "something runs as long as something waits"
        ended = chance.choice(sorted(running))
        del running[ended]
        turns[ended] += 1
        waiting.add(ended)
        rounds += 1
        assert rounds < 40 * len(sizes), f"somebody waits for ever: {turns}"


@pytest.mark.parametrize("free", [{1, 2}, {1}, set()])
def test_nobody_is_set_aside_twice(free: set[int]) -> None:
    for one in seat(GPUS, free, {3, 4}, [Wish(7, 2), Wish(8, 2)], len(free)):
        assert not set(one.workers) & {3, 4}


def apart(places: int, each: int, counted: bool = True, reachable: bool = True) -> list[Hand]:
    return [
        Hand(10 * place + n, f"place {place}", counted=counted, reachable=reachable)
        for place in range(1, places + 1)
        for n in range(each)
    ]


def test_a_job_of_several_machines_has_as_many_of_each_or_nobody() -> None:
    three = apart(3, 2)
    every = {hand.worker_id for hand in three}
    assert seat(three, every, set(), [Wish(7, 4, nodes=2)], 6) == [Given(7, (10, 11, 20, 21))]
    assert seat(three, every - {10}, set(), [Wish(7, 4, nodes=2)], 5) == [Given(7, (20, 21, 30, 31))]
    assert seat(three, every, {10, 20}, [Wish(7, 4, nodes=2), Wish(8, 1)], 6) == [Given(8, (10,))]
    found = seat(three, every, set(), [Wish(7, 8, nodes=4), Wish(8, 2)], 6)
    assert found == [Given(8, (10, 11))], "what could never be keeps nobody"
    assert seat(apart(1, 8), set(range(10, 18)), set(), [Wish(7, 4, nodes=2)], 8) == []


def test_only_machines_whose_owner_said_so_and_of_one_kind_work_together() -> None:
    closed = apart(2, 1, reachable=False)
    assert seat(closed, {10, 20}, set(), [Wish(7, 2, nodes=2)], 2) == []
    mixed = [Hand(1, "gpu", counted=True, reachable=True), Hand(2, "processor", reachable=True)]
    assert seat(mixed, {1, 2}, set(), [Wish(7, 2, nodes=2)], 2) == []


def test_one_that_may_goes_on_with_the_machines_that_are_left() -> None:
    left = apart(1, 2)
    assert seat(left, {10, 11}, set(), [Wish(7, 4, nodes=2)], 2) == []
    assert seat(left, {10, 11}, set(), [Wish(7, 4, nodes=2, shrinks=True)], 2) == [Given(7, (10, 11))]
    busy = apart(2, 2)
    found = seat(busy, {10, 11}, {20}, [Wish(7, 4, nodes=2, shrinks=True)], 2)
    assert found == [], "the other machine is there and will be free"
    assert seat([], set(), set(), [Wish(7, 4, nodes=2, shrinks=True)], 2) == []
