from __future__ import annotations

import numpy as np

from policies.base import Query
from policies.random_actions import RandomPolicy


def drawn(seed: int, sequence: int, number: int) -> np.ndarray:
    return RandomPolicy(seed).act([Query({}, "", sequence, number)])[0]


def test_actions_depend_on_seed_sequence_and_query_alone() -> None:
    first = drawn(7, 2, 5)
    np.testing.assert_array_equal(first, drawn(7, 2, 5))
    for others in ((8, 2, 5), (7, 3, 5), (7, 2, 6), (7, 5, 2)):
        assert (first != drawn(*others)).any()


def test_they_are_those_of_every_earlier_version() -> None:
    assert drawn(7, 2, 5)[0].tolist() == [
        0.9340609562997901, 0.9127636201234379, 0.43607856330019557, 0.907867714649081, -0.5998168577829484,
        0.017038457491991954, 1.0,
    ]  # fmt: skip
