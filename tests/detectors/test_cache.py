import numpy as np
import pytest

from detectors.base import NoTarget, Reason
from detectors.cache import FinderCache
from detectors.targets import BUTTON, block
from errors import InvalidInput
from tests.detectors.made_up_finder import MadeUpFinder, at
from tests.detectors.test_pipeline import numbered


def test_equal_pictures_are_asked_about_once(tmp_path):
    finder = MadeUpFinder({0: [at(1, 2)], 2: [at(3, 4), at(5, 6, 0.1)]})
    images = [*numbered(3), *numbered(3)]
    path = tmp_path / "gaze.sqlite"
    answers = FinderCache(path).find(finder, images, BUTTON, False)
    assert finder.asked == [0, 1, 2]
    assert answers[:3] == answers[3:]
    assert answers[1] == NoTarget(Reason.NOT_FOUND, "button")
    again = FinderCache(path)
    assert again.find(finder, images, BUTTON, False) == answers
    assert finder.asked == [0, 1, 2] and (again.hits, again.misses) == (6, 0)


def test_phrase_pass_and_version_are_asked_about_apart():
    cache, finder = FinderCache(), MadeUpFinder({0: [at(1, 2)]})
    cache.find(finder, list(numbered(1)), BUTTON, False)
    cache.find(finder, list(numbered(1)), block("red"), False)
    cache.find(finder, list(numbered(1)), BUTTON, True)
    finder.version = "2"
    cache.find(finder, list(numbered(1)), BUTTON, False)
    assert finder.asked == [0, 0, 0] and finder.asked_closer == [0]


def test_pictures_of_other_shape_with_the_same_bytes_differ():
    cache, finder = FinderCache(), MadeUpFinder({})
    flat = np.zeros((2, 8, 3), np.uint8)
    cache.find(finder, [flat, flat.reshape(4, 4, 3)], BUTTON, False)
    assert len(finder.asked) == 2


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("this is no database, but long enough to be looked at as one" * 40)
    with pytest.raises(InvalidInput, match="gaze cache"):
        FinderCache(path)
