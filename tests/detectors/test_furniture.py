import numpy as np
import pytest

from detectors.furniture import door_from_handle, drawer_from_handle
from detectors.scoring import iou
from detectors.targets.camera import project_static, unproject_static
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini


def test_a_pixel_and_a_height_give_the_point_back():
    point = np.array([[0.1, -0.2, 0.36]])
    x, y = unproject_static(tuple(project_static(point)[0]), 0.36)
    assert (x, y) == pytest.approx((0.1, -0.2))


@pytest.mark.parametrize(("height", "width"), [(400, 400), (200, 300), (120, 160)])
@pytest.mark.parametrize("build", [drawer_from_handle, door_from_handle])
def test_sizes_scale_with_the_image(build, height, width):
    handle = (88.0, 133.0, 152.0, 159.0)
    scale = np.array([width, height, width, height]) / 200
    expected = (scale * build(handle, 200, 200)).tolist()
    assert build(tuple(scale * handle), height, width) == pytest.approx(expected, abs=1e-6)


@needs_calvin_mini
def test_drawer_and_door_of_real_frames():
    """From the true box of a whole handle to that of the rest."""
    drawers, doors = [], []
    for demonstration in demonstrations("validation")[:3]:
        for boxes in frames_of("validation", demonstration)[2]:
            drawers.append(iou(drawer_from_handle(boxes["drawer_handle"], 200, 200), boxes["drawer"]))
            handle = boxes["slider_handle"]
            if handle is not None and handle[2] - handle[0] >= 14:
                doors.append(iou(door_from_handle(handle, 200, 200), boxes["slider"]))
    assert np.mean(drawers) > 0.85 and min(drawers) > 0.5
    assert np.mean(doors) > 0.85 and min(doors) > 0.5
