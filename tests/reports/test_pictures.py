import io

import numpy as np
import pytest
from PIL import Image

from reports.data import AttentionPanel, Reconstruction
from reports.gaze_data import GazeExample
from reports.pictures import attention_png, frame_png, overlay_png, reconstruction_png


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_overlay_frames_the_region_and_leaves_its_inside():
    image = np.full((200, 200, 3), 50, np.uint8)
    drawn = pixels(overlay_png(GazeExample(image, (50, 60, 100, 120), "x")))
    assert drawn.shape == (400, 400, 3)
    assert (drawn[130:230, 110:190] == 50).all()
    assert (drawn[119, 99:200] == (255, 230, 0)).all()
    assert (pixels(overlay_png(GazeExample(image, None, "x"))) == 50).all()


def test_a_doubtful_region_and_the_true_box_have_colours_of_their_own():
    image = np.full((200, 200, 3), 50, np.uint8)
    example = GazeExample(image, (50, 60, 100, 120), "x", trusted=False, true_box=(110, 60, 160, 120))
    drawn = pixels(overlay_png(example))
    assert (drawn[119, 99:200] == (255, 120, 0)).all()
    assert (drawn[119, 219:320] == 255).all()


def panel(weights):
    return AttentionPanel(np.full((48, 48, 3), 90, np.uint8), None, "x", {"a": weights})


def test_attention_is_bright_where_the_model_looks():
    weights = np.full((6, 6), 0.001, np.float32)
    weights[1, 4] = 0.7
    drawn = pixels(attention_png(panel(weights), "a")).sum(axis=2)
    peak = np.unravel_index(drawn.argmax(), drawn.shape)
    scale = drawn.shape[0] / 6
    assert (int(peak[0] // scale), int(peak[1] // scale)) == (1, 4)
    assert drawn[-1, 0] == 3 * 90, "elsewhere the grey picture"


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_a_model_that_looks_everywhere_alike_leaves_a_grey_picture(level):
    drawn = pixels(attention_png(panel(np.full((6, 6), level, np.float32)), "a"))
    assert (drawn == 90).all()


def test_small_frames_are_enlarged_in_whole_steps():
    drawn = pixels(frame_png(panel(np.zeros((6, 6), np.float32))))
    assert drawn.shape == (240, 240, 3)


def test_truth_and_sample_side_by_side():
    pair = Reconstruction("x", *(np.full((20, 30, 3), level, np.uint8) for level in (10, 100, 200)))
    drawn = pixels(reconstruction_png(pair))
    assert drawn.shape == (60, 270, 3)
    for place, level in enumerate((10, 100, 200)):
        assert (drawn[:, 90 * place : 90 * place + 90] == level).all()
