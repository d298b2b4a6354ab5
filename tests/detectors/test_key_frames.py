"""What lies between detected frames: followed from both sides, and looked at again where the sides disagree."""

import numpy as np
import pytest

from detectors.key_frames import cover
from detectors.scoring import iou

SIZE, EDGE = 200, 20
TEXTURE = np.random.default_rng(0).integers(0, 256, (EDGE, EDGE, 3), dtype=np.uint8)


def scene(places):
    """A textured square at (x, y) of each frame, on grey."""
    images = np.full((len(places), SIZE, SIZE, 3), 128, dtype=np.uint8)
    for image, (x, y) in zip(images, places, strict=True):
        image[y : y + EDGE, x : x + EDGE] = TEXTURE
    return list(images)


def box_at(place, shift=0.0):
    x, y = place
    return (x + shift, y + shift, x + EDGE + shift, y + EDGE + shift)


class Looking:
    """Detects the square where it is, off by `shifts` in some frames; counts what it was asked."""

    def __init__(self, places, shifts=()):
        self.places, self.shifts = places, dict(shifts)
        self.seen = {}
        self.rounds = 0

    def __call__(self, frames):
        self.rounds += 1
        for frame in frames:
            self.seen[frame] = box_at(self.places[frame], self.shifts.get(frame, 0.0))
        return dict(self.seen)


def test_a_still_scene_costs_one_look():
    places = [(50, 60)] * 20
    look = Looking(places)
    links = cover(scene(places), look, interval=8)
    assert sorted(look.seen) == [0]
    assert all(not link.moved and link.box == box_at((50, 60)) for link in links.values())


def test_every_frame_is_detected_or_linked_and_lies_where_the_square_is():
    places = [(20 + 3 * frame, 60 + frame) for frame in range(30)]
    look = Looking(places)
    links = cover(scene(places), look, interval=8)
    assert sorted([*look.seen, *links]) == list(range(30))
    assert len(look.seen) < 6
    for frame, link in links.items():
        assert link.moved
        assert link.box == pytest.approx(box_at(places[frame]))


def test_between_two_boxes_that_differ_a_little_there_is_no_step():
    places = [(20 + 2 * frame, 60) for frame in range(9)]
    look = Looking(places, {8: 2.0})
    images = scene(places)
    links = cover(images, look, interval=4)
    off = [links[frame].box[0] - places[frame][0] if frame in links else None for frame in range(9)]
    told = [at for at in off if at is not None]
    assert told == sorted(told)
    assert max(np.diff([0.0, *told, 2.0])) < 1.0, "what lies nearer to a detected frame is more like it"


def test_two_sides_that_disagree_are_looked_at_again():
    places = [(20 + 2 * frame, 60) for frame in range(9)]
    wrong = EDGE * 0.5
    assert iou(box_at((0, 0)), box_at((0, 0), wrong)) < 0.2
    look = Looking(places, {8: wrong})
    links = cover(scene(places), look, interval=6)
    assert sorted([*look.seen, *links]) == list(range(9))
    assert len(look.seen) > 2, "neither end is believed for what lies between them"


def test_long_stretches_are_detected_in_few_batches():
    places = [(20 + 2 * frame, 60) for frame in range(64)]
    look = Looking(places)
    links = cover(scene(places), look, interval=4)
    assert sorted([*look.seen, *links]) == list(range(64))
    assert look.rounds <= 4
    assert len(look.seen) <= 64 // 4
