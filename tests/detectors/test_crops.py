import numpy as np
import pytest

from detectors.crops import crop_region
from errors import InvalidInput

IMAGE = np.arange(10 * 12 * 3, dtype=np.uint8).reshape(10, 12, 3)


def test_tight_and_rounded_outwards():
    crop = crop_region(IMAGE, (2.4, 3.0, 5.1, 6.0))
    assert np.array_equal(crop, IMAGE[3:6, 2:6])


def test_clamped_to_the_image():
    assert np.array_equal(crop_region(IMAGE, (-4.0, 8.0, 3.0, 40.0)), IMAGE[8:10, 0:3])


def test_is_a_copy():
    crop = crop_region(IMAGE, (0, 0, 2, 2))
    assert not np.shares_memory(crop, IMAGE)


@pytest.mark.parametrize("box", [(12, 0, 20, 5), (-9, -9, 0, 0)])
def test_outside_is_an_error(box):
    with pytest.raises(InvalidInput, match="outside the image"):
        crop_region(IMAGE, box)
