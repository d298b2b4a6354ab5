"""When more training is no longer worth its time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.early_stopping import (
    MEASUREMENTS,
    MIN_GAIN,
    PAYS,
    SHAPES,
    WINDOW,
    ends,
    simulated,
)
from tasks.train.early_stopping import (
    ERROR,
    Decision,
    EvaluationPoint,
    Z,
    comparisons,
    decide,
    decide_as_before,
    inflation,
    why_never,
)


def points(*losses: float, error: float = 0.0) -> list[EvaluationPoint]:
    """Of two demonstrations, of which one has twice the loss of the other."""
    return [
        EvaluationPoint(100 * (number + 1), loss, error, {7: 2 * loss / 3, 9: 4 * loss / 3})
        for number, loss in enumerate(losses)
    ]


def test_it_is_decided_at_the_ends_of_windows_from_the_second_on() -> None:
    for count in range(1, 10):
        found = decide(points(*[1.0] * count), window=3, min_gain=0.01, planned=3)
        assert (found is not None) == (count in (6, 9))


def test_a_plateau_ends_the_run_and_a_gain_does_not() -> None:
    flat = decide(points(1.0, 0.81, 0.80, 0.80, 0.80, 0.7998), window=2, min_gain=0.01, planned=3)
    assert flat is not None and flat.stop and flat.gain == pytest.approx(0.000125)
    falling = decide(points(0.9, 0.8, 0.79, 0.75), window=2, min_gain=0.01, planned=3)
    assert falling is not None and not falling.stop and falling.gain == pytest.approx(1 - 1.54 / 1.7)


def test_demonstrations_that_fall_alike_on_a_line_leave_no_error_however_different_they_are() -> None:
    found = decide(points(1.0, 0.97, 0.94), window=1, min_gain=0.01, planned=5)
    assert found is not None and (found.gain, found.windows) == (pytest.approx(1 - 0.94**0.5), 2)
    assert found.bound == pytest.approx(found.gain, abs=1e-6)


@pytest.mark.parametrize("lasting", [False, True])
def test_the_bound_is_of_demonstrations_and_of_measurements(lasting: bool) -> None:
    """Four measurements do not tell how long noise lasts, so that the most is reckoned with."""
    losses = np.array(
        [[1.0, 2.0, 1.5, 0.5], [1.1, 1.9, 1.4, 0.6], [1.1, 1.7, 1.5, 0.4], [1.0, 1.8, 1.5, 0.5]]
    )
    measured = [
        EvaluationPoint(100 * step, float(of_each.mean()), 0.0, dict(enumerate(of_each)))
        for step, of_each in enumerate(losses)
    ]
    found = decide(measured, window=2, min_gain=0.01, planned=4, lasting_noise=lasting)
    before, last, means = losses[:2].mean(axis=0), losses[2:].mean(axis=0), losses.mean(axis=1)
    ratio = last.mean() / before.mean()
    of_demonstrations = (np.std(last - ratio * before, ddof=1) / 2 / before.mean()) ** 2
    line = stats.linregress(range(4), means)
    rest = means - line.intercept - line.slope * np.arange(4)
    of_time = (rest**2).sum() / 2 * (1 / 2 + 1 / 2) / before.mean() ** 2 * (19 if lasting else 1)
    total = of_demonstrations + of_time
    degrees = total**2 / (of_demonstrations**2 / 3 + of_time**2 / (1 if lasting else 2))
    assert found is not None and not found.stop
    assert found.gain == pytest.approx(1 - ratio)
    bound = 1 - ratio + stats.t.ppf(1 - 0.05 / 4, degrees) * np.sqrt(total)
    assert found.bound == pytest.approx(min(1.0, bound))


def test_getting_worse_is_no_gain() -> None:
    worse = decide(
        points(*[0.5 + 0.02 * step + 0.002 * (-1) ** step for step in range(8)]),
        window=2,
        min_gain=0.01,
        planned=1,
    )
    assert worse is not None and worse.stop and worse.gain < 0


def test_a_plateau_that_is_over_ends_no_run() -> None:
    flat = [1.0 + 0.02 * (-1) ** number for number in range(12)]
    falls = decide(points(*flat, 0.9, 0.9), window=2, min_gain=0.01, planned=8)
    assert falls is not None and not falls.stop


def test_one_demonstration_says_nothing_of_others() -> None:
    alone = [EvaluationPoint(step, 1.0, 0.1, {4: 1.0}) for step in range(1, 9)]
    assert decide(alone, window=2, min_gain=0.01, planned=3) is None
    assert why_never(alone, 3) is not None and why_never(points(1.0, 1.0), 3) is None


def test_comparisons_are_those_of_all_windows_before_the_last_step() -> None:
    assert comparisons(3000, 100, 3) == 1 + 2 + 2 + 3 + 3 + 3 + 3 + 4  # 29 measurements, 2 to 9 windows
    assert comparisons(700, 100, 3) == 1 and comparisons(600, 100, 3) == 0
    assert comparisons(400, 100, 1) == 1  # three measurements: over two windows, as two are no line
    assert why_never(points(1.0), 0) is not None


def test_the_sentence_says_what_was_compared() -> None:
    assert Decision(True, 0.001, 0.002).sentence(300, 0.01) == (
        "stopped at step 300: gain 0.10% (at most 0.20%), threshold 1.00%"
    )
    assert "gain 0.10% a window over the last 4 (at most" in Decision(False, 0.001, 0.02, 4).sentence(
        300, 0.01
    )


@given(
    losses=st.lists(st.floats(0.01, 10), min_size=2, max_size=12),
    window=st.integers(1, 4),
    low=st.floats(0.001, 0.5),
    more=st.floats(0, 0.5),
    planned=st.integers(1, 30),
)
def test_a_higher_threshold_and_fewer_comparisons_never_train_longer(
    losses: list[float], window: int, low: float, more: float, planned: int
) -> None:
    patient, strict = (decide(points(*losses), window, gain, planned) for gain in (low, low + more))
    sooner = decide(points(*losses), window, low, 1)
    if patient is not None and strict is not None and sooner is not None:
        assert (strict.stop and sooner.stop) or not patient.stop
        assert patient.bound >= sooner.bound - 1e-9


def test_how_long_noise_lasts_is_told_without_the_bias_of_the_line() -> None:
    """Of twelve measurements what is left of a line has a lag-one correlation that is 0.2 to 0.4 too low."""
    random = np.random.default_rng(3)
    assert inflation(np.array([1.0, 0.9, 0.95, 0.8])) == pytest.approx(19)
    assert inflation(np.ones(8)) == 1.0
    of_independent, of_lasting = (
        np.median(
            [inflation(simulated(random, np.ones(12), 2, 0.0, 0.01, rho).mean(axis=1)) for _ in range(400)]
        )
        for rho in (0.0, 0.5)
    )
    assert of_independent <= 1.3 and 2.0 <= of_lasting <= 4.5


@pytest.mark.parametrize("window", [1, 3])
def test_losses_that_are_no_numbers_decide_nothing(window: int) -> None:
    for bad in (float("nan"), float("inf")):
        assert decide(points(*[1.0] * 11, bad), window, min_gain=0.01, planned=3) is None


def test_what_was_zero_cannot_fall() -> None:
    nothing = decide(points(*[0.0] * 6), window=3, min_gain=0.01, planned=3)
    assert nothing is not None and nothing.stop and (nothing.gain, nothing.bound) == (0.0, 0.0)
    reached = decide(points(1.0, 1.0, 1.0, 0.0, 0.0, 0.0), window=3, min_gain=0.01, planned=3)
    assert reached is not None and not reached.stop and reached.gain == 1.0


def ended(shape: str, demonstrations: int, noise: tuple[float, float], rho: float = 0.0, **how: bool) -> int:
    """How many of `RUNS` runs end early."""
    random = np.random.default_rng([demonstrations, int(1000 * rho), list(SHAPES).index(shape)])
    return sum(
        ends(simulated(random, SHAPES[shape], demonstrations, *noise, rho), **how) for _ in range(RUNS)
    )


#: Simulated runs of a case. That more of them are ended than is said happens in one of a thousand.
RUNS = 200


@pytest.mark.parametrize("demonstrations", [5, 27])
def test_it_fires_on_a_plateau_and_not_while_windows_pay(demonstrations: int) -> None:
    random, paid = np.random.default_rng(1), 0.97 ** (np.arange(MEASUREMENTS) / WINDOW)
    assert ended("plateau", demonstrations, (0.02, 0.01)) >= 0.9 * RUNS
    assert not any(ends(simulated(random, paid, demonstrations, 0.02, 0.01)) for _ in range(100))


@pytest.mark.parametrize(("rho", "error"), [(0.0, ERROR), (0.3, ERROR), (0.5, 0.065)])
@pytest.mark.parametrize("noise", [(0.01, 0.003), (0.02, 0.03)])
def test_a_run_that_gains_the_threshold_itself_is_ended_no_more_often_than_is_said(
    noise: tuple[float, float], rho: float, error: float
) -> None:
    assert ended(PAYS, 27, noise, rho) <= stats.binom.ppf(0.999, RUNS, error)


def test_noise_that_is_taken_for_independent_ends_runs_that_gain() -> None:
    """The rule of jobs that were planned before."""
    assert ended(PAYS, 27, (0.02, 0.03), 0.5, lasting_noise=False) >= 0.15 * RUNS


def test_errors_that_are_added_hardly_ever_end_a_run() -> None:
    """The rule of jobs that were planned before: on a plateau, with the demonstrations of the test above."""
    random = np.random.default_rng(1)
    for _ in range(20):
        losses = simulated(random, SHAPES["plateau"], 27, apart=0.02, together=0.01)
        error = losses.std(axis=1, ddof=1) / np.sqrt(27)
        measured = [
            EvaluationPoint(step, float(mean), float(of_it), {})
            for step, (mean, of_it) in enumerate(zip(losses.mean(axis=1), error, strict=True))
        ]
        for count in range(1, len(measured) + 1):
            found = decide_as_before(measured[:count], WINDOW, MIN_GAIN)
            assert found is None or not found.stop


def test_jobs_of_before_keep_their_rule() -> None:
    assert decide_as_before(points(1.0, 1.0, 1.0), window=3, min_gain=0.01) is None
    losses = (1.0, 0.8, 0.8, 0.8, 0.8)
    sure, unsure = (
        decide_as_before(points(*losses, error=e), window=3, min_gain=0.01) for e in (0.001, 0.05)
    )
    assert sure is not None and unsure is not None
    assert sure.stop and not unsure.stop
    assert unsure.bound == pytest.approx(Z * 2**0.5 * 0.05 / 0.8)
