from __future__ import annotations

import numpy as np

from simulators.playtable.textures import checker, wood


def test_wood_is_the_same_every_time_and_near_its_colour() -> None:
    image = wood((160, 118, 78), 0.2)
    np.testing.assert_array_equal(image, wood((160, 118, 78), 0.2))
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.mean(axis=(0, 1)), (160, 118, 78), atol=6)
    assert wood((160, 118, 78), 0.4).std() > image.std()


def test_checker_has_two_by_two_tiles() -> None:
    image = checker((240, 240, 240), (10, 10, 10))
    assert image[0, 0, 0] == image[-1, -1, 0] == 10
    assert image[0, -1, 0] == image[-1, 0, 0] == 240
