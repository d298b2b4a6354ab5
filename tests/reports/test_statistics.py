from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from errors import InvalidInput
from reports import statistics
from reports.statistics import corrected, holm, mcnemar_exact, mean_interval, sign_flip
from tests.reports.samples import results

CEILING = 5
compare = partial(statistics.compare, ceiling=CEILING)
result_matrix = partial(statistics.result_matrix, ceiling=CEILING)
success_intervals = partial(statistics.success_intervals, ceiling=CEILING)
success_rates = partial(statistics.success_rates, ceiling=CEILING)


def test_success_rates_by_hand():
    assert success_rates(result_matrix([[0, 1, 5, 5]])) == [0.75, 0.5, 0.5, 0.5, 0.5]


def test_wilson_interval_against_its_formula():
    matrix = result_matrix([[1] * 8 + [0] * 2])
    z, p, n = 1.959963984540054, 0.8, 10
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert success_intervals(matrix)[0] == pytest.approx((centre - half, centre + half))


def test_the_ceiling_is_the_metrics():
    assert statistics.success_rates(statistics.result_matrix([[0, 1, 3, 3]], 3), 3) == [0.75, 0.5, 0.5]
    with pytest.raises(InvalidInput, match=r"0\.\.3, found 0\.\.4"):
        statistics.result_matrix([[0, 4]], 3)


@pytest.mark.parametrize("rows", [[[0, 6]], [[-1]], [[1, 2], [1]]])
def test_impossible_results_are_refused(rows):
    with pytest.raises(InvalidInput):
        result_matrix(rows)


def test_bootstrap_is_reproducible_and_close_to_the_normal_interval():
    matrix = result_matrix([results(3, 2.5, 400)])
    low, high = mean_interval(matrix)
    assert (low, high) == mean_interval(matrix)
    half = 1.96 * matrix.std() / np.sqrt(matrix.size)
    assert (low, high) == pytest.approx((matrix.mean() - half, matrix.mean() + half), abs=0.03)


def test_bootstrap_widens_when_seeds_disagree():
    together = mean_interval(result_matrix([[2] * 50, [2] * 50]))
    apart = mean_interval(result_matrix([[1] * 50, [3] * 50]))
    assert together == (2.0, 2.0)
    assert apart == (1.0, 3.0)


def test_bootstrap_draws_sequences_for_all_seeds_at_once():
    """What differs between sequences but not between seeds is not averaged away by more seeds."""
    row = results(5, 2.5, 200)
    one = mean_interval(result_matrix([row]))
    many = mean_interval(result_matrix([row] * 5))
    assert many[1] - many[0] == pytest.approx(one[1] - one[0], rel=0.1)


def test_mcnemar_is_the_binomial_on_the_pairs_that_differ():
    differences = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 90)
    assert mcnemar_exact(differences) == pytest.approx(2 * binom.cdf(2, 10, 0.5))
    assert mcnemar_exact(np.zeros(5)) == 1.0


def test_sign_flip_agrees_with_mcnemar_for_one_seed():
    differences = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 90)
    assert sign_flip(differences) == pytest.approx(mcnemar_exact(differences), abs=0.01)
    assert 0 < sign_flip(np.ones(60)) < 0.001


@pytest.mark.parametrize(("signs", "p"), [([], 1.0), ([1], 1.0), ([-1, -1], 0.5), ([1, 1, 1], 0.25)])
def test_sign_flip_of_few_pairs_is_exact_and_pairs_without_a_difference_change_nothing(signs, p):
    assert sign_flip(np.array([*signs, 0.0, 0.0, 0.0]) / 3) == pytest.approx(p)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_pairs_are_corrected_measure_by_measure_and_what_was_not_compared_does_not_count():
    """At 1/5 the pairs differ by 8, 7 and 0 of 20 sequences, at 5/5 by none."""
    base = {0: (0,) * 20}
    eight, seven, none = ({0: (1,) * count + (0,) * (20 - count)} for count in (8, 7, 0))
    pairs = [compare("a", name, base, other) for name, other in (("b", eight), ("c", seven), ("d", none))]
    found = corrected([pairs[0], compare("a", "e", base, {}), *pairs[1:]])
    assert [c.b for c in found] == ["b", "e", "c", "d"]
    assert found[1].mean is None and found[1].success == ()
    compared = [found[0], *found[2:]]
    alone = [2 * 0.5**8, 2 * 0.5**7, 1.0]
    assert [c.success[0].p_value for c in compared] == pytest.approx(alone)
    assert [c.success[0].p_value_holm for c in compared] == pytest.approx([3 * alone[0], 2 * alone[1], 1.0])
    assert [c.success[4].p_value_holm for c in compared] == [1.0, 1.0, 1.0]
    lengths = [c.mean.p_value for c in compared]
    assert [c.mean.p_value_holm for c in compared] == pytest.approx(holm(lengths))


def test_every_number_of_tasks_is_tested_on_its_own_pairs():
    a, b = {0: (0, 1, 2, 3, 4, 5)}, {0: (1, 2, 3, 4, 5, 5)}
    success = compare("a", "b", a, b).success
    assert [difference.delta for difference in success] == pytest.approx([1 / 6] * 5)
    assert [difference.p_value for difference in success] == [1.0] * 5
    worse = compare("a", "b", {0: (5,) * 10}, {0: (2,) * 10}).success
    assert [difference.delta for difference in worse] == [0.0, 0.0, -1.0, -1.0, -1.0]
    assert [difference.p_value for difference in worse] == pytest.approx([1.0, 1.0] + [2 * 0.5**10] * 3)


def test_several_seeds_are_tested_by_sequence():
    """Two seeds that agree are one sequence each, not two trials."""
    one = compare("a", "b", {0: (0,) * 12}, {0: (1,) * 12})
    two = compare("a", "b", {0: (0,) * 12, 1: (0,) * 12}, {0: (1,) * 12, 1: (1,) * 12})
    assert one.success[0].p_value == pytest.approx(2 * 0.5**12)
    assert two.success[0].p_value == pytest.approx(2 * 0.5**12, abs=3e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_comparison_is_antisymmetric(seed):
    a, b = {0: results(seed, 2.0, 20)}, {0: results(seed + 1, 3.0, 20)}
    there, back = compare("a", "b", a, b), compare("b", "a", b, a)
    for one, other in zip((*there.success, there.mean), (*back.success, back.mean), strict=True):
        assert one.delta == pytest.approx(-other.delta)
        assert one.p_value == other.p_value


def test_comparison_uses_the_seeds_in_common():
    a = {0: (5,) * 20, 1: (0,) * 20}
    b = {1: (5,) * 20, 2: (0,) * 20}
    comparison = compare("a", "b", a, b)
    assert (comparison.seeds, comparison.sequences) == (1, 20)
    assert comparison.success[4].delta == 1.0
    assert comparison.success[4].p_value == pytest.approx(2 * 0.5**20)


@pytest.mark.parametrize(("a", "b"), [({}, {0: (1,)}), ({0: (1,)}, {1: (1,)}), ({0: (1, 2)}, {0: (1,)})])
def test_what_cannot_be_paired_is_not_compared(a, b):
    comparison = compare("a", "b", a, b)
    assert comparison.success == ()
    assert comparison.mean is None
