import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from errors import InvalidInput
from reports.statistics import (
    average_length_interval,
    compare,
    holm,
    mcnemar_exact,
    result_matrix,
    running_estimate,
    sign_flip,
    success_intervals,
    success_rates,
)
from tests.reports.samples import results


def test_success_rates_by_hand():
    assert success_rates(result_matrix([[0, 1, 5, 5]])) == [0.75, 0.5, 0.5, 0.5, 0.5]


def test_wilson_interval_against_its_formula():
    matrix = result_matrix([[1] * 8 + [0] * 2])
    z, p, n = 1.959963984540054, 0.8, 10
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert success_intervals(matrix)[0] == pytest.approx((centre - half, centre + half))


@pytest.mark.parametrize("rows", [[[0, 6]], [[-1]], [[1, 2], [1]]])
def test_impossible_results_are_refused(rows):
    with pytest.raises(InvalidInput):
        result_matrix(rows)


def test_bootstrap_is_reproducible_and_close_to_the_normal_interval():
    matrix = result_matrix([results(3, 2.5, 400)])
    low, high = average_length_interval(matrix)
    assert (low, high) == average_length_interval(matrix)
    half = 1.96 * matrix.std() / np.sqrt(matrix.size)
    assert (low, high) == pytest.approx((matrix.mean() - half, matrix.mean() + half), abs=0.03)


def test_bootstrap_widens_when_seeds_disagree():
    together = average_length_interval(result_matrix([[2] * 50, [2] * 50]))
    apart = average_length_interval(result_matrix([[1] * 50, [3] * 50]))
    assert together == (2.0, 2.0)
    assert apart == (1.0, 3.0)


def test_bootstrap_draws_sequences_for_all_seeds_at_once():
    """What differs between sequences but not between seeds is not averaged away by more seeds."""
    row = results(5, 2.5, 200)
    one = average_length_interval(result_matrix([row]))
    many = average_length_interval(result_matrix([row] * 5))
    assert many[1] - many[0] == pytest.approx(one[1] - one[0], rel=0.1)


def test_running_estimate_by_hand():
    estimate = running_estimate([5, 5, 0, 0, 2, 2, 3, 3])
    assert (estimate.sequences, estimate.success1, estimate.success5, estimate.avg_len) == (
        8,
        0.75,
        0.25,
        2.5,
    )
    half = 2.3646242510102993 * np.std([5, 5, 0, 0, 2, 2, 3, 3], ddof=1) / np.sqrt(8)
    assert estimate.avg_len_ci95 == pytest.approx((2.5 - half, 2.5 + half))
    assert running_estimate([4]).avg_len_ci95 == (0.0, 5.0)
    with pytest.raises(InvalidInput):
        running_estimate([])


def test_mcnemar_is_the_binomial_on_the_pairs_that_differ():
    differences = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 90)
    assert mcnemar_exact(differences) == pytest.approx(2 * binom.cdf(2, 10, 0.5))
    assert mcnemar_exact(np.zeros(5)) == 1.0


def test_sign_flip_agrees_with_mcnemar_for_one_seed():
    differences = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 90)
    assert sign_flip(differences) == pytest.approx(mcnemar_exact(differences), abs=0.01)
    assert 0 < sign_flip(np.ones(60)) < 0.001


def test_holm_by_hand_and_absence_stays():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([None]) == [None]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_comparison_is_antisymmetric(seed):
    a, b = {0: results(seed, 2.0, 20)}, {0: results(seed + 1, 3.0, 20)}
    there, back = compare("a", "b", a, b), compare("b", "a", b, a)
    assert there.delta_success5 == pytest.approx(-back.delta_success5)
    assert there.delta_avg_len == pytest.approx(-back.delta_avg_len)
    assert there.p_value == back.p_value


def test_comparison_uses_the_seeds_in_common():
    a = {0: (5,) * 20, 1: (0,) * 20}
    b = {1: (5,) * 20, 2: (0,) * 20}
    comparison = compare("a", "b", a, b)
    assert (comparison.seeds, comparison.sequences) == (1, 20)
    assert comparison.delta_success5 == 1.0
    assert comparison.p_value == pytest.approx(2 * 0.5**20)


@pytest.mark.parametrize(("a", "b"), [({}, {0: (1,)}), ({0: (1,)}, {1: (1,)}), ({0: (1, 2)}, {0: (1,)})])
def test_what_cannot_be_paired_is_not_compared(a, b):
    comparison = compare("a", "b", a, b)
    assert comparison.delta_success5 is None
    assert comparison.p_value is None
