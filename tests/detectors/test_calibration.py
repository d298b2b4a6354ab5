from pathlib import Path

import numpy as np
import pytest

from benchmarks.gaze_calibration import fit_calibration
from detectors.calibration import FILE_NAME, Calibration, by_threshold, read_calibrations
from errors import CheckpointError, InvalidInput


def test_straight_lines_between_the_points():
    calibration = Calibration(((0.0, 0.0), (0.5, 0.8), (1.0, 1.0)))
    assert calibration(0.25) == pytest.approx(0.4)
    assert calibration(0.75) == pytest.approx(0.9)


def test_a_finders_threshold_means_even_odds():
    for threshold in (0.05, 0.35, 0.9):
        assert by_threshold(threshold)(threshold) == pytest.approx(0.5)
        assert by_threshold(threshold)(1.0) == 1.0
    assert by_threshold(0.0)(0.0) == 0.5
    assert by_threshold(1.0)(0.99) < 0.5


def test_fits_the_share_that_was_right():
    random = np.random.default_rng(0)
    scores = random.uniform(0, 1, 4000)
    right = random.uniform(0, 1, 4000) < scores**2
    fitted = fit_calibration(scores.tolist(), right.tolist(), knots=20)
    for score in (0.3, 0.5, 0.7, 0.9):
        assert fitted(score) == pytest.approx(score**2, abs=0.08)


def test_a_fit_never_falls():
    fitted = fit_calibration([0.1, 0.4, 0.6, 0.9], [True, False, True, False])
    values = [fitted(score) for score in np.linspace(0, 1, 50)]
    assert values == sorted(values)


@pytest.mark.parametrize("knots", [((0.0, 0.5),), ((0.0, 0.5), (1.0, 0.2)), ((0.0, 0.0), (1.0, 1.5))])
def test_bad_points_are_refused(knots):
    with pytest.raises(InvalidInput, match="knots"):
        Calibration(knots)


def test_nothing_to_fit_is_refused():
    with pytest.raises(InvalidInput, match="at least one"):
        fit_calibration([], [])


def test_calibrations_lie_beside_weights(tmp_path):
    assert read_calibrations(tmp_path) == {}
    (tmp_path / FILE_NAME).write_text('{"button": [[0, 0], [0.4, 0.9], [1, 1]]}')
    assert read_calibrations(tmp_path) == {"button": Calibration(((0.0, 0.0), (0.4, 0.9), (1.0, 1.0)))}


def test_each_official_file_has_its_own(tmp_path):
    (tmp_path / f"swint.{FILE_NAME}").write_text('{"button": [[0, 0], [1, 1]]}')
    assert list(read_calibrations(tmp_path / "swint.pth")) == ["button"]
    assert read_calibrations(tmp_path / "swinb.pth") == {}
    assert read_calibrations(Path("IDEA-Research/grounding-dino-tiny")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[1, 2]", "must map objects"),
        ('{"button": [[0, 0]]}', "button: two or more"),
        ('{"button": [[0, 0], [1, NaN]]}', "button: two or more"),
        ('{"button": [[0, 0], [1, "a"]]}', "button: two or more"),
        ('{"button": [[0.5, 0.5], [0.4, 0.9]]}', "button: two or more"),
        ('{"button": 3}', "button: two or more"),
    ],
)
def test_a_damaged_calibration_is_named(tmp_path, text, message):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(CheckpointError, match=f"{FILE_NAME}.*{message}"):
        read_calibrations(tmp_path)


def test_an_object_calibrated_twice_is_named(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"drawer": [[0, 0], [1, 1]],\n "drawer": [[0, 0], [1, 0.5]]}')
    with pytest.raises(CheckpointError, match="line 2: the key 'drawer' is given twice"):
        read_calibrations(tmp_path)
