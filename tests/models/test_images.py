"""Pictures for the model."""

import numpy as np
import pytest

from errors import InvalidInput
from models.images import (
    CANVAS,
    STATIC_ROWS,
    compose,
    narrowed,
    stacked,
    through_jpeg,
    to_model_size,
)
from models.part_configs import RESAMPLINGS


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
    lower = narrowed(gripper, CANVAS - STATIC_ROWS, 96)
    for upper in (static, crop):
        target = stacked(narrowed(upper, STATIC_ROWS, 96), lower)
        np.testing.assert_array_equal(target, to_model_size(compose(upper, gripper), 96))


@pytest.mark.parametrize("resample", sorted(RESAMPLINGS))
@pytest.mark.parametrize("size", [48, 384])
def test_views_that_are_narrowed_apart_give_the_same_picture(resample: str, size: int) -> None:
    rng = np.random.default_rng(1)
    upper, lower = (rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((90, 31), (84, 84)))
    rows = STATIC_ROWS, CANVAS - STATIC_ROWS
    views = [narrowed(view, count, size, resample) for view, count in zip((upper, lower), rows, strict=True)]
    expected = to_model_size(compose(upper, lower), size, resample)
    np.testing.assert_array_equal(stacked(*views, resample), expected)


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
