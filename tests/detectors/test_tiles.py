import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Source
from detectors.tiles import cut, to_frame, window_around, windows
from tests.detectors.made_up_finder import at


@given(st.integers(30, 400), st.integers(30, 400))
def test_tiles_cover_the_frame_and_stay_in_it(height, width):
    covered = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in windows(height, width):
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        covered[y0:y1, x0:x1] = True
    assert covered.all()


def test_a_small_thing_anywhere_lies_whole_in_a_tile():
    for x in range(0, 184, 7):
        for y in range(0, 184, 7):
            assert any(a <= x and b <= y and x + 16 <= c and y + 16 <= d for a, b, c, d in windows(200, 200))


def test_boxes_return_to_the_frame_without_those_the_tile_cut():
    window = (50, 50, 150, 150)
    image = np.zeros((200, 200, 3), np.uint8)
    assert cut(image, window).shape == (100, 100, 3)
    whole, left, bottom = at(40, 40), at(0, 40), at(40, 84)
    [found] = to_frame([whole, left, bottom], window, image.shape)
    assert found.box == (90, 90, 106, 106)
    assert found.source is Source.SECOND_PASS


def test_the_frames_own_edge_cuts_nothing():
    [found] = to_frame([at(0, 0)], (0, 0, 130, 130), (200, 200, 3))
    assert found.box == (0, 0, 16, 16)


@given(st.integers(0, 184), st.integers(0, 184), st.integers(0, 90))
def test_a_window_around_a_box_holds_it_and_what_it_may_move(x, y, reach):
    window = window_around((x, y, x + 16, y + 16), reach, 200, 200)
    if window is None:
        assert 16 + 2 * reach > 0.65 * 200
        return
    x0, y0, x1, y1 = window
    assert (x1 - x0, y1 - y0) == ((90, 90) if 16 + 2 * reach <= 90 else (130, 130))
    assert 0 <= x0 <= max(0, x - reach) and min(200, x + 16 + reach) <= x1 <= 200
    assert 0 <= y0 <= max(0, y - reach) and min(200, y + 16 + reach) <= y1 <= 200
