import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from detectors.base import NoTarget, Reason
from detectors.cache import FILE_NAME, FinderCache, shared_cache
from detectors.targets.table import BUTTON, block
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


def test_answers_of_another_precision_are_others():
    cache, finder = FinderCache(), MadeUpFinder({0: [at(1, 2)]})
    for precision in ("fp16", "fp32", "fp16"):
        finder.precision = precision
        cache.find(finder, list(numbered(1)), BUTTON, False)
    assert finder.asked == [0, 0]


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


def test_another_programs_database_is_left_as_it_is(tmp_path):
    """A home's state.db, say; also one that holds nothing yet but says whose it is."""
    for number, statement in enumerate(("CREATE TABLE job (id INTEGER)", "PRAGMA application_id = 7")):
        path = tmp_path / f"{number}.db"
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        before = path.read_bytes()
        with pytest.raises(InvalidInput, match="another program's database") as raised:
            FinderCache(path)
        assert str(path) in str(raised.value) and path.read_bytes() == before


def test_what_gains_a_table_is_still_a_cache_by_its_mark(tmp_path):
    path = tmp_path / "gaze.sqlite"
    FinderCache(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (0x47617A65,)
        connection.execute("CREATE TABLE another (one INTEGER)")
    assert len(FinderCache(path)) == 0


def test_a_cache_of_an_earlier_version_has_no_mark_and_is_gone_on_with(tmp_path):
    path, finder = tmp_path / "gaze.sqlite", MadeUpFinder({})
    FinderCache(path).find(finder, list(numbered(3)), BUTTON, False)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 0")
        connection.execute("ANALYZE")  # adds a table of SQLite's own
    cache = FinderCache(path)
    cache.find(finder, list(numbered(3)), BUTTON, False)
    assert cache.hits == 3 and len(finder.asked) == 3


def test_many_that_begin_one_file_at_once_all_use_it(tmp_path):
    path = tmp_path / "gaze.sqlite"
    with ThreadPoolExecutor(8) as pool:
        caches = list(pool.map(lambda _: FinderCache(path), range(8)))
    assert [len(cache) for cache in caches] == [0] * 8


def test_the_oldest_answers_go_when_it_is_full(tmp_path):
    finder = MadeUpFinder({})
    cache = FinderCache(tmp_path / "gaze.sqlite", most_answers=20)
    pictures = list(numbered(50))
    for picture in pictures:
        cache.find(finder, [picture], BUTTON, False)
    assert 18 <= len(cache) <= 20
    cache.find(finder, [pictures[-1]], BUTTON, False)
    assert len(finder.asked) == 50, "the newest is still known"
    cache.find(finder, [pictures[0]], BUTTON, False)
    assert len(finder.asked) == 51, "the oldest is not"


def test_an_answer_that_was_damaged_on_disk_is_made_again(tmp_path):
    path, finder = tmp_path / "gaze.sqlite", MadeUpFinder({0: [at(1, 2)]})
    [right] = FinderCache(path).find(finder, list(numbered(1)), BUTTON, False)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE gaze_answer SET answer = replace(answer, '2.0', '9.0')")
    assert FinderCache(path).find(finder, list(numbered(1)), BUTTON, False) == [right]
    assert finder.asked == [0, 0]


def test_a_file_that_breaks_while_in_use_costs_answers_and_no_job(tmp_path, caplog):
    path, finder = tmp_path / "gaze.sqlite", MadeUpFinder({0: [at(1, 2)]})
    cache = FinderCache(path)
    path.write_bytes(b"SQLite format 3\0" + bytes(5000))
    for _ in range(2):
        [answer] = cache.find(finder, list(numbered(1)), BUTTON, False)
        assert answer[0].box == at(1, 2).box
    assert finder.asked == [0, 0]
    assert len(caplog.records) == 1, "said once"


def test_clearing_leaves_a_small_file_that_others_go_on_with(tmp_path):
    path, finder = tmp_path / "gaze.sqlite", MadeUpFinder({})
    mine, other = FinderCache(path), FinderCache(path)
    mine.find(finder, list(numbered(200)), BUTTON, False)
    full = path.stat().st_size
    assert other.clear() == 200 and path.stat().st_size < full
    mine.find(finder, list(numbered(1)), BUTTON, False)
    assert len(other) == 1 and len(finder.asked) == 201


def test_a_shared_file_that_is_no_database_is_replaced(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"garbage" * 1000)
    cache, finder = shared_cache(tmp_path), MadeUpFinder({})
    cache.find(finder, list(numbered(2)), BUTTON, False)
    assert cache.path == tmp_path / FILE_NAME and len(shared_cache(tmp_path)) == 2


def test_without_a_usable_folder_answers_stay_in_memory(tmp_path):
    assert shared_cache(None).path is None
    (tmp_path / "file").write_text("in the way")
    cache = shared_cache(tmp_path / "file")
    assert cache.path is None
    assert cache.find(MadeUpFinder({}), list(numbered(1)), BUTTON, False) == [
        NoTarget(Reason.NOT_FOUND, "button")
    ]


def test_answers_that_were_given_with_other_arithmetic_are_made_again(tmp_path):
    cache, finder = shared_cache(tmp_path), MadeUpFinder({})
    for arithmetic, misses in (("1 thread", 2), ("2 threads", 4), ("1 thread", 4)):
        cache.arithmetic = arithmetic
        cache.find(finder, list(numbered(2)), BUTTON, False)
        assert cache.misses == misses
