import numpy as np

from detectors.base import Detection, NoTarget, Reason
from detectors.contact_sheet import COLUMNS, MOST_FRAMES, SCALE, Shot, contact_sheet, shown_places
from tests.detectors.scenes import table

BOX = (60.0, 80.0, 76.0, 96.0)


def shot(score=0.9, frame=0):
    return Shot(table(), Detection(BOX, score, "red block"), BOX, "detected", frame)


def pixel(sheet, x, y):
    """The sheet's pixel at a place in the first frame."""
    return np.asarray(sheet)[18 + SCALE * y, SCALE * x].tolist()


def test_regions_are_drawn_where_they_are():
    assert pixel(contact_sheet([shot()], "t"), 60, 88) == [0, 230, 0]
    assert pixel(contact_sheet([shot(0.2)], "t"), 60, 88) == [255, 170, 0]
    missed = Shot(table(), NoTarget(Reason.NOT_FOUND), BOX, "not_found", 0)
    assert pixel(contact_sheet([missed], "t"), 60, 88) == [255, 255, 255]


def test_a_long_demonstration_is_sampled():
    one, many = contact_sheet([shot()], "t"), contact_sheet([shot(frame=n) for n in range(64)], "t")
    assert one.width == 200 * SCALE
    assert many.width == COLUMNS * 200 * SCALE
    assert (many.height - 18) // (one.height - 18) == MOST_FRAMES // COLUMNS


def test_what_failed_is_shown_before_what_did_not():
    failed = [False] * 60
    for place in (1, 30, 31, 59):
        failed[place] = True
    shown = shown_places(failed)
    assert {1, 30, 31, 59} <= set(shown)
    assert len(shown) == len(set(shown)) == MOST_FRAMES and shown == sorted(shown)
    assert 0 in shown, "the others are spread over the whole demonstration"


def test_more_failures_than_places_are_spread():
    shown = shown_places([True] * 100 + [False] * 100)
    assert len(shown) == MOST_FRAMES and shown[0] == 0 and shown[-1] == 99
    assert np.diff(shown).max() <= 5


def test_a_short_demonstration_is_shown_whole():
    assert shown_places([False, True, False]) == [0, 1, 2]
    assert shown_places([False] * MOST_FRAMES) == list(range(MOST_FRAMES))
