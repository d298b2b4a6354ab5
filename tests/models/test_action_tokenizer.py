"""Numbers as tokens and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InvalidInput
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer, StateStatistics

TOKENIZER = ActionTokenizer(1000)


@given(st.floats(-1, 1))
def test_round_trip_stays_within_half_a_bin(value: float) -> None:
    assert abs(TOKENIZER.decode(TOKENIZER.encode(value)) - value) <= 1 / 255 + 1e-12


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_greater_values_never_have_greater_ids(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert TOKENIZER.encode(low) >= TOKENIZER.encode(high)


def test_zero_is_exact_and_ends_are_not() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode([0.0, 1.0, -1.0])).tolist() == pytest.approx(
        [0.0, 0.996078, -0.996078]
    )


def test_ids_lie_at_the_end_of_the_vocabulary() -> None:
    ids = TOKENIZER.encode(np.linspace(-2, 2, 999))
    assert ids.min() == TOKENIZER.first_id == 744
    assert ids.max() == 999
    assert TOKENIZER.contains(ids).all()
    assert TOKENIZER.contains([743, 1000]).tolist() == [False, False]


def test_built_in_statistics_are_those_of_the_released_statistics_yaml() -> None:
    """Its `robot_obs`, one number of each kind (m, rad, gripper's width and command) written off by hand."""
    assert OFFICIAL_STATE_STATISTICS.mean[::3] == (0.039233, 1.079174, 0.054622, 1.792879, 1.790842)
    assert OFFICIAL_STATE_STATISTICS.std[2::6] == (0.06253, 0.172714, 0.995442)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(InvalidInput, match="finite"):
        TOKENIZER.encode([0.0, bad])
    with pytest.raises(InvalidInput, match="finite"):
        StateStatistics((0.0,), (1.0,)).normalise([bad])


def test_state_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"2 numbers, got shape \(3,\)"):
        StateStatistics((0.0, 0.0), (1.0, 1.0)).normalise([1, 2, 3])


def test_three_deviations_reach_one() -> None:
    states = np.random.default_rng(0).normal(5.0, 2.0, (500, 15))
    statistics = StateStatistics(tuple(states.mean(axis=0)), tuple(states.std(axis=0)))
    normal = statistics.normalise(np.asarray(statistics.mean) + 3 * np.asarray(statistics.std))
    assert normal == pytest.approx(1.0, abs=1e-4)


def test_vocabulary_too_small() -> None:
    with pytest.raises(InvalidInput, match="256"):
        ActionTokenizer(200)
