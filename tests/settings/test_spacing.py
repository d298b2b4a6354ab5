from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from settings.spacing import evenly_spaced


def test_places_are_spread_evenly() -> None:
    assert evenly_spaced(3, 200) == [0, 1, 2]
    assert evenly_spaced(101, 5) == [0, 25, 50, 75, 100]
    assert evenly_spaced(0, 5) == evenly_spaced(5, 0) == []
    assert evenly_spaced(7, 1) == [0]


def test_the_nearest_are_taken_or_those_before() -> None:
    assert evenly_spaced(9, 4) == [0, 3, 5, 8]
    assert evenly_spaced(9, 4, rounded_down=True) == [0, 2, 5, 8]
    assert evenly_spaced(4, 3) == [0, 2, 3]
    assert evenly_spaced(4, 3, rounded_down=True) == [0, 1, 3]


def test_they_are_those_that_numpy_gives() -> None:
    for count in (*range(1, 70), 211, 1000, 12_345):
        for most in (*range(1, 20), 64, 200):
            expected = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
            assert evenly_spaced(count, most) == expected, (count, most)


@given(st.integers(0, 500), st.integers(1, 20), st.booleans())
def test_they_reach_from_the_first_to_the_last(count: int, most: int, rounded_down: bool) -> None:
    places = evenly_spaced(count, most, rounded_down=rounded_down)
    assert places == sorted(set(places)) and len(places) == min(count, most)
    assert all(0 <= place < count for place in places)
    if len(places) > 1:
        assert (places[0], places[-1]) == (0, count - 1)
