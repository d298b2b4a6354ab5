from __future__ import annotations

import numpy as np

from simulators.playtable.pictures import Picture, in_front


def plain(depth: list[float], grey: int, segment: int = 1) -> Picture:
    n = len(depth)
    return Picture(
        np.full((1, n, 3), grey, np.uint8), np.full((1, n), segment, np.int32), np.array([depth], np.float32)
    )


def test_the_nearer_pixel_wins() -> None:
    both = in_front(plain([0.2, 0.6, 0.4], 10, 1), plain([0.5, 0.5, 0.5], 20, 2))
    assert both is not None
    assert both.rgb[0, :, 0].tolist() == [10, 20, 10]
    assert both.segments[0].tolist() == [1, 2, 1]
    np.testing.assert_allclose(both.depth[0], [0.2, 0.5, 0.4])


def test_empty_pixels_show_what_is_behind() -> None:
    both = in_front(plain([0.2, 0.2], 10, -1), plain([1.0, 0.5], 20, 2))
    assert both is not None
    assert both.rgb[0, :, 0].tolist() == [20, 20]


def test_equal_depth_is_undecided_unless_it_makes_no_difference() -> None:
    assert in_front(plain([0.5], 10), plain([0.5], 20)) is None
    assert in_front(plain([0.5], 20), plain([0.5], 20)) is not None


def test_inputs_are_left_alone() -> None:
    back = plain([0.5], 20)
    in_front(plain([0.2], 10), back)
    assert back.rgb[0, 0, 0] == 20
