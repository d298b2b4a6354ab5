"""What is said of unfinished work when nobody, somebody or somebody else is there."""

from __future__ import annotations

import pytest

from db.doing import doing, those_there

READY, BLOCKED = {"ready": 1, "succeeded": 0}, {"blocked": 2, "succeeded": 1}


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "paused"])
def test_every_state_but_running_says_itself(state: str) -> None:
    assert doing(state, READY, {7}, (), starting=True) == state


@pytest.mark.parametrize(
    ("jobs", "holders", "there", "starting", "words"),
    [
        (READY, {1}, {1, 2}, False, "running"),
        (READY, (), (), False, "waiting for a worker"),
        (BLOCKED, (), (), False, "waiting for a worker"),
        (READY, {7}, (), False, "interrupted"),
        (READY, {None}, {1}, False, "interrupted"),
        (READY, {7}, {1}, False, "interrupted"),
        (READY, {7}, (), True, "starting"),
        (READY, (), {1}, False, "waiting for a worker"),
        (BLOCKED, (), {1}, False, "waiting for earlier jobs"),
        ({"blocked": 1, "queued": 1}, (), {1}, False, "waiting for a worker"),
    ],
)
def test_running_is_said_only_of_what_somebody_does(jobs, holders, there, starting, words):
    assert doing("running", jobs, holders, there, starting=starting) == words


def test_who_is_silent_longer_than_a_lease_is_not_there() -> None:
    ages = {1: 2.0, 2: 31.0, 3: None}
    assert those_there(ages, 30.0) == {1, 3}, "of whom nothing is known is there as far as anybody knows"
