"""Silence is counted by the listener's own looks and by no other clock."""

from __future__ import annotations

from db.silence import Hearing, Silence
from tests.support import Clock


def test_whoever_says_the_same_is_silent_since_it_was_new() -> None:
    clock = Clock()
    silence = Silence(clock)
    assert silence.seconds({"a": 1.0, "b": 1.0}) == {"a": 0.0, "b": 0.0}
    clock.now += 1.5
    assert silence.seconds({"a": 1.0, "b": 2.0}) == {"a": 1.5, "b": 0.0}
    clock.now += 1.0
    assert silence.seconds({"a": 1.0, "b": 2.0}) == {"a": 2.5, "b": 1.0}


def test_what_others_take_for_the_time_does_not_matter() -> None:
    """A clock that is set back, or is a day behind, says something new all the same."""
    clock = Clock()
    silence = Silence(clock)
    for said in (1e9, 1e9 - 86_400, 5.0):
        clock.now += 1.0
        assert silence.seconds({"a": said}) == {"a": 0.0}


def test_while_nobody_looked_nobody_was_silent() -> None:
    """The listener was stopped, or the state could not be reached, for an hour."""
    clock = Clock()
    silence = Silence(clock)
    silence.seconds({"a": 1.0})
    clock.now += 3600.0
    assert silence.seconds({"a": 1.0}) == {"a": 2.0}


def test_who_left_and_comes_again_is_new() -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.seconds({"a": 1.0})
    clock.now += 1.0
    assert silence.seconds({}) == {}
    assert silence.seconds({"a": 1.0}) == {"a": 0.0}


def test_an_age_is_known_once_somebody_was_heard_to_speak_anew() -> None:
    """Also where nobody looked for a minute, and whatever the others take for the time."""
    clock = Clock()
    hearing = Hearing(clock)
    assert hearing.ages({"a": 1e9, "b": 1e9}) == {"a": None, "b": None}
    clock.now += 5.0
    assert hearing.ages({"a": 1e9 - 172_800, "b": 1e9}) == {"a": 0.0, "b": None}
    clock.now += 60.0
    assert hearing.ages({"a": 1e9 - 172_800, "c": 1.0}) == {"a": 60.0, "c": None}
    assert hearing.ages({"a": 1e9 - 172_800, "b": 1e9}) == {"a": 60.0, "b": None}
