"""When more training is no longer worth its time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.train.early_stopping import EvaluationPoint, Z, decide


def points(*losses: float, error: float = 0.0) -> list[EvaluationPoint]:
    return [EvaluationPoint(100 * (number + 1), loss, error) for number, loss in enumerate(losses)]


def test_nothing_is_decided_before_the_window_is_full() -> None:
    assert decide(points(1.0, 1.0, 1.0), window=3, min_gain=0.01) is None


def test_a_plateau_ends_the_run_and_a_gain_does_not() -> None:
    flat = decide(points(1.0, 0.8, 0.8, 0.799, 0.801), window=3, min_gain=0.01)
    assert flat is not None and flat.stop and flat.gain == pytest.approx(0.00125)
    falling = decide(points(1.0, 0.8, 0.79, 0.75, 0.7), window=3, min_gain=0.01)
    assert falling is not None and not falling.stop and falling.gain == pytest.approx(0.125)


def test_an_uncertain_plateau_goes_on() -> None:
    losses = (1.0, 0.8, 0.8, 0.8, 0.8)
    sure, unsure = (decide(points(*losses, error=e), window=3, min_gain=0.01) for e in (0.001, 0.05))
    assert sure is not None and unsure is not None
    assert sure.stop and not unsure.stop
    assert unsure.bound == pytest.approx(Z * 2**0.5 * 0.05 / 0.8)


def test_getting_worse_is_no_gain() -> None:
    worse = decide(points(0.5, 0.9, 1.2), window=2, min_gain=0.01)
    assert worse is not None and worse.stop and worse.gain < 0


def test_the_sentence_says_what_was_compared() -> None:
    decision = decide(points(1.0, 0.5, 0.5), window=1, min_gain=0.01)
    assert decision is not None
    assert decision.sentence(300, 0.01) == "stopped at step 300: gain 0.00% (at most 0.00%), threshold 1.00%"


@given(
    losses=st.lists(st.floats(0.01, 10), min_size=2, max_size=12),
    error=st.floats(0, 1),
    window=st.integers(1, 4),
    low=st.floats(0.001, 0.5),
    more=st.floats(0, 0.5),
)
def test_a_higher_threshold_never_trains_longer(
    losses: list[float], error: float, window: int, low: float, more: float
) -> None:
    some = points(*losses, error=error)
    patient, strict = (decide(some, window, gain) for gain in (low, low + more))
    if patient is not None and strict is not None:
        assert strict.stop or not patient.stop
        assert patient.bound >= patient.gain
