import io

import numpy as np
import pytest
from PIL import Image

from reports.pictures import ORANGE, WHITE, YELLOW, boxed_png, heat_png, side_by_side_png


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_overlay_frames_the_region_and_leaves_its_inside():
    image = np.full((200, 200, 3), 50, np.uint8)
    drawn = pixels(boxed_png(image, ((50, 60, 100, 120), YELLOW)))
    assert drawn.shape == (400, 400, 3)
    assert (drawn[130:230, 110:190] == 50).all()
    assert (drawn[119, 99:200] == (255, 230, 0)).all()
    assert (pixels(boxed_png(image, (None, YELLOW))) == 50).all()


def test_boxes_have_colours_of_their_own():
    image = np.full((200, 200, 3), 50, np.uint8)
    drawn = pixels(boxed_png(image, ((110, 60, 160, 120), WHITE), ((50, 60, 100, 120), ORANGE)))
    assert (drawn[119, 99:200] == (255, 120, 0)).all()
    assert (drawn[119, 219:320] == 255).all()


GREY = np.full((48, 48, 3), 90, np.uint8)


def test_attention_is_bright_where_the_model_looks():
    weights = np.full((6, 6), 0.001, np.float32)
    weights[1, 4] = 0.7
    drawn = pixels(heat_png(GREY, weights)).sum(axis=2)
    peak = np.unravel_index(drawn.argmax(), drawn.shape)
    scale = drawn.shape[0] / 6
    assert (int(peak[0] // scale), int(peak[1] // scale)) == (1, 4)
    assert drawn[-1, 0] == 3 * 90, "elsewhere the grey picture"


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_a_model_that_looks_everywhere_alike_leaves_a_grey_picture(level):
    drawn = pixels(heat_png(GREY, np.full((6, 6), level, np.float32)))
    assert (drawn == 90).all()


def test_small_frames_are_enlarged_in_whole_steps():
    drawn = pixels(boxed_png(GREY))
    assert drawn.shape == (240, 240, 3)


def test_truth_and_sample_side_by_side():
    drawn = pixels(side_by_side_png(*(np.full((20, 30, 3), level, np.uint8) for level in (10, 100, 200))))
    assert drawn.shape == (60, 270, 3)
    for place, level in enumerate((10, 100, 200)):
        assert (drawn[:, 90 * place : 90 * place + 90] == level).all()
