import numpy as np
import pytest

from detectors.tracking import AWAY_PER_PIXEL, OTHER_LEVELS, Tracker, _nearest_match
from tests.detectors.scenes import PAINT, paint, table

BOX = (60, 80, 76, 96)


def scene(box=BOX, hand=None):
    image = table()
    paint(image, box, PAINT["red_block"])
    if hand is not None:
        paint(image, hand, (190, 190, 190))
    return image


def moved(dx, dy):
    return (BOX[0] + dx, BOX[1] + dy, BOX[2] + dx, BOX[3] + dy)


def test_same_pixels_same_box_whatever_happens_elsewhere():
    followed = Tracker(scene(), BOX).follow(scene(hand=(100, 20, 140, 180)))
    assert (followed.box, followed.moved) == (BOX, False)


def test_noise_is_not_a_change():
    noisy = np.clip(scene().astype(int) + np.random.default_rng(0).integers(-4, 5, (200, 200, 3)), 0, 255)
    assert not Tracker(scene(), BOX).follow(noisy.astype(np.uint8)).moved


def test_a_move_is_followed_step_by_step():
    tracker = Tracker(scene(), BOX)
    for step in range(1, 6):
        followed = tracker.follow(scene(moved(5 * step, -3 * step)))
        assert followed.moved
        assert followed.box == moved(5 * step, -3 * step)


def test_a_hand_in_front_is_a_doubt():
    assert Tracker(scene(), BOX).follow(scene(hand=(50, 70, 70, 120))) is None


def test_what_passes_in_front_does_not_take_the_box_along():
    """The one thing to be seen in a plain block is the finger before it."""
    followed = Tracker(scene(hand=(66, 70, 68, 86)), BOX).follow(scene(hand=(70, 70, 72, 86)))
    assert followed.box == pytest.approx(BOX, abs=1)


def test_what_is_gone_is_a_doubt():
    assert Tracker(scene(), BOX).follow(table()) is None
    assert Tracker(scene(), BOX).follow(scene(moved(60, 0))) is None


def test_a_box_at_the_edge():
    edge = (190, 0, 200, 12)
    followed = Tracker(scene(edge), edge).follow(scene((187, 0, 197, 12)))
    assert followed is None or followed.box == (187, 0, 197, 12)


def test_a_box_that_leaves_the_frame_is_cut_to_it():
    texture = np.random.default_rng(0).integers(0, 255, (30, 30, 3), dtype=np.uint8)

    def leaving(x, y):
        image = np.full((200, 200, 3), 120, np.uint8)
        shown = texture[max(0, -y) : 200 - y, max(0, -x) : 200 - x]
        image[max(0, y) :, max(0, x) :][: shown.shape[0], : shown.shape[1]] = shown
        return image

    for start, end, box in (
        ((2, 50), (-2, 50), (0, 50, 28, 80)),
        ((50, 2), (50, -2), (50, 0, 80, 28)),
        ((168, 50), (172, 50), (172, 50, 200, 80)),
        ((50, 168), (50, 172), (50, 172, 80, 200)),
    ):
        x, y = start
        followed = Tracker(leaving(x, y), (x, y, x + 30, y + 30)).follow(leaving(*end))
        assert followed.moved and followed.box == box


@pytest.mark.parametrize(
    ("height", "width"), [(9, 13), (31, 22), (60, 75)], ids=["small", "whole", "thinned out"]
)
def test_the_nearest_match_is_that_of_every_place_by_itself(height, width):
    random = np.random.default_rng(height)
    image = random.integers(0, 255, (height + 4, width + 7, 3), dtype=np.uint8)
    picture = image[2 : 2 + height, 3 : 3 + width] // 2 + random.integers(
        0, 60, (height, width, 3), dtype=np.uint8
    )
    before = image.copy()
    step = int(np.ceil(np.sqrt(height * width / 400)))
    found = {}
    for y in range(5):
        for x in range(8):
            there = image[y : y + height, x : x + width].astype(int)
            levels = np.abs(there - picture)[::step, ::step]
            differing = np.minimum(levels, OTHER_LEVELS).mean() / OTHER_LEVELS
            found[differing + AWAY_PER_PIXEL * np.hypot(x - 6, y - 1)] = (x, y, pytest.approx(differing))
    assert _nearest_match(image, picture, (6, 1)) == found[min(found)]
    assert np.array_equal(image, before)


def test_a_box_of_the_whole_frame_has_one_place():
    image = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    before = image.copy()
    assert _nearest_match(image, image[:], (0, 0)) == (0, 0, 0.0)
    assert np.array_equal(image, before)
