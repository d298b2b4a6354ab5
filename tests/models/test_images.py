"""Pictures for the model."""

import numpy as np
import pytest

from errors import InvalidInput
from models.images import (
    CANVAS,
    STATIC_ROWS,
    compose,
    replace_upper,
    through_jpeg,
    to_model_size,
)


def plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_views_meet_at_the_seam() -> None:
    canvas = compose(plain(200, 200, 10), plain(84, 84, 200))
    assert canvas.shape == (CANVAS, CANVAS, 3)
    assert STATIC_ROWS == 173
    assert (canvas[:173] == 10).all()
    assert (canvas[173:] == 200).all()


def test_target_shares_the_gripper_view() -> None:
    rng = np.random.default_rng(0)
    static, crop, gripper = (rng.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (200, 33, 84))
    target = replace_upper(compose(static, gripper), crop)
    np.testing.assert_array_equal(target, compose(crop, gripper))


def test_a_jpeg_loses_a_little() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    lossy = through_jpeg(noise)
    assert lossy.shape == noise.shape and lossy.dtype == np.uint8
    assert (lossy != noise).any()
    np.testing.assert_array_equal(through_jpeg(plain(32, 32, 90)), plain(32, 32, 90))


def test_model_size() -> None:
    assert to_model_size(plain(334, 334, 7), 96).shape == (96, 96, 3)


@pytest.mark.parametrize(
    "bad", [np.zeros((20, 20, 3)), np.zeros((20, 20), np.uint8), np.zeros((0, 20, 3), np.uint8)]
)
def test_what_is_no_picture(bad: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="uint8"):
        compose(bad, plain(84, 84, 0))
    with pytest.raises(InvalidInput, match="uint8"):
        to_model_size(bad, 96)
