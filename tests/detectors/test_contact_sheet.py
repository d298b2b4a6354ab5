import numpy as np

from detectors.base import Detection, NoTarget, Reason
from detectors.contact_sheet import COLUMNS, MOST_FRAMES, SCALE, Shot, contact_sheet
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
