from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, permutation_test

from errors import InvalidInput
from reports import statistics
from reports.statistics import mean_interval, sign_flip
from tests.reports.samples import results

CEILING = 5
compare = partial(statistics.compare, ceiling=CEILING)
result_matrix = partial(statistics.result_matrix, ceiling=CEILING)
success_intervals = partial(statistics.success_intervals, ceiling=CEILING)
success_rates = partial(statistics.success_rates, ceiling=CEILING)


def test_success_rates_by_hand():
    assert success_rates(result_matrix([[0, 1, 5, 5]])) == [0.75, 0.5, 0.5, 0.5, 0.5]


def test_the_interval_of_a_rate_by_its_formula():
    """That of two successes and two failures more, or nearly."""
    matrix = result_matrix([[1] * 8 + [0] * 2])
    z = 1.959963984540054
    n, p = 10 + z**2, (8 + z**2 / 2) / (10 + z**2)
    half = z * np.sqrt(p * (1 - p) / n)
    assert success_intervals(matrix)[0] == pytest.approx((p - half, min(1.0, p + half)))


def test_every_rate_is_held_as_often_as_is_said():
    """Exactly, over all numbers of successes."""
    sequences, rates = 128, np.array([0.6, 0.15, 0.03, 0.006, 0.001, 0.999])
    counts = np.arange(sequences + 1)
    matrices = [np.repeat([[1, 0]], [count, sequences - count], axis=1) for count in counts]
    low, high = np.array([statistics.success_intervals(matrix, 1)[0] for matrix in matrices]).T
    held = (low[:, None] <= rates) & (rates <= high[:, None])
    assert ((binom.pmf(counts[:, None], sequences, rates) * held).sum(axis=0) > 0.94).all()


def test_the_interval_of_two_shares_on_the_same_sequences_by_its_formula():
    a, b = (1,) * 6 + (0,) * 14, (0,) + (1,) * 9 + (0,) * 10
    more, less, pairs = 5 / 22, 2 / 22, 22
    half = 1.959963984540054 * np.sqrt((more + less - (more - less) ** 2) / pairs)
    found = compare("a", "b", {0: a}, {0: b}).success[0]
    assert found.ci95 == pytest.approx((more - less - half, more - less + half))


def test_one_pair_that_differs_does_not_rule_the_other_way_out():
    found = compare("a", "b", {0: (1,) + (0,) * 127}, {0: (0,) * 128}).success[0]
    assert found.delta < 0 and found.ci95[0] < found.delta and found.ci95[1] > 0


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
    assert together is None, "an interval without width would say that nothing else can come"
    assert apart == (1.0, 3.0)


def test_bootstrap_draws_sequences_for_all_seeds_at_once():
    """What differs between sequences but not between seeds is not averaged away by more seeds."""
    row = results(5, 2.5, 200)
    one = mean_interval(result_matrix([row]))
    many = mean_interval(result_matrix([row] * 5))
    assert many[1] - many[0] == pytest.approx(one[1] - one[0], rel=0.1)


def test_sign_flips_of_shares_are_mcnemars_exact_test():
    differences = np.array([1] * 8 + [-1] * 2 + [0] * 90)
    assert sign_flip(differences) == pytest.approx(2 * binom.cdf(2, 10, 0.5))


def test_sign_flips_are_those_of_scipy():
    differences = np.array([3, -1, 2, 2, 0, -2, 5, 1, 0, 4, -1])
    found = permutation_test(
        (differences[differences != 0].astype(float),),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2000,
    )
    assert sign_flip(differences) == pytest.approx(found.pvalue), "nine pairs: scipy goes through all of them"


def test_a_small_p_has_no_floor():
    assert sign_flip(np.full(200, 3)) == pytest.approx(2 * 0.5**200)


@pytest.mark.parametrize(("signs", "p"), [([], None), ([1], 1.0), ([-1, -1], 0.5), ([1, 1, 1], 0.25)])
def test_sign_flip_of_few_pairs_is_exact_and_pairs_without_a_difference_change_nothing(signs, p):
    assert sign_flip(np.array([*signs, 0, 0, 0], dtype=int)) == (p if p is None else pytest.approx(p))


def test_every_number_of_tasks_is_tested_on_its_own_pairs():
    a, b = {0: (0, 1, 2, 3, 4, 5)}, {0: (1, 2, 3, 4, 5, 5)}
    success = compare("a", "b", a, b).success
    assert [difference.delta for difference in success] == pytest.approx([1 / 6] * 5)
    assert [difference.p_value for difference in success] == [1.0] * 5, "one pair says nothing"
    worse = compare("a", "b", {0: (5,) * 10}, {0: (2,) * 10}).success
    assert [difference.delta for difference in worse] == [0.0, 0.0, -1.0, -1.0, -1.0]
    assert [difference.p_value for difference in worse] == [None, None] + [pytest.approx(2 * 0.5**10)] * 3
    assert {difference.ci95 for difference in worse} == {None}, "all pairs are alike"


def test_several_seeds_are_tested_by_sequence():
    """Two seeds that agree are one sequence each, not two trials."""
    one = compare("a", "b", {0: (0,) * 12}, {0: (1,) * 12})
    two = compare("a", "b", {0: (0,) * 12, 1: (0,) * 12}, {0: (1,) * 12, 1: (1,) * 12})
    assert one.success[0].p_value == pytest.approx(2 * 0.5**12)
    assert two.success[0].p_value == pytest.approx(2 * 0.5**12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_comparison_is_antisymmetric(seed):
    a, b = {0: results(seed, 2.0, 20)}, {0: results(seed + 1, 3.0, 20)}
    there, back = compare("a", "b", a, b), compare("b", "a", b, a)
    for one, other in zip((*there.success, there.mean), (*back.success, back.mean), strict=True):
        assert one.delta == pytest.approx(-other.delta)
        assert one.p_value == (None if other.p_value is None else pytest.approx(other.p_value))


def test_comparison_uses_the_seeds_in_common():
    a = {0: (5,) * 20, 1: (0,) * 20}
    b = {1: (5,) * 20, 2: (0,) * 20}
    comparison = compare("a", "b", a, b)
    assert (comparison.seeds, comparison.sequences) == (1, 20)
    assert comparison.success[4].delta == 1.0
    assert comparison.success[4].p_value == pytest.approx(2 * 0.5**20)


def test_two_single_models_are_compared_whichever_seeds_they_are_of():
    comparison = compare("a", "b", {0: (0,) * 20}, {7: (1,) * 20})
    assert (comparison.seeds, comparison.mean.delta) == (1, 1.0)


@pytest.mark.parametrize(
    ("a", "b"), [({}, {0: (1,)}), ({0: (1,), 2: (1,)}, {1: (1,)}), ({0: (1, 2)}, {0: (1,)})]
)
def test_what_cannot_be_paired_is_not_compared(a, b):
    comparison = compare("a", "b", a, b)
    assert comparison.success == ()
    assert comparison.mean is None
