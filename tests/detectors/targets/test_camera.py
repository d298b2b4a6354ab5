import json

import numpy as np
import pytest

from benchmark.cameras import STATIC_CAMERA
from benchmark.tasks import BLOCK_ORDER
from calvin.annotations import read_scenes, scene_of
from detectors.targets.camera import project_static
from tests.detectors.calvin_mini import CALVIN_MINI, needs_calvin_mini


def test_look_at_point_is_the_centre():
    assert project_static(np.array([STATIC_CAMERA.target])) == pytest.approx(np.array([[100.0, 100.0]]))
    assert project_static(np.array([STATIC_CAMERA.target]), 50) == pytest.approx(np.array([[25.0, 25.0]]))


def test_up_in_the_world_is_up_in_the_image():
    low, high = project_static(np.array([[0.0, 0.0, 0.4], [0.0, 0.0, 0.5]]))
    assert high[1] < low[1]


def test_behind_the_camera_there_is_nothing():
    assert np.isnan(project_static(np.array([[10.0, -8.0, 8.0]]))).all()


@needs_calvin_mini
def test_blocks_project_into_their_true_boxes():
    split = CALVIN_MINI / "validation"
    boxes = json.loads((split / "boxes.json").read_text())
    scenes = read_scenes(split / "scene_info.npy")
    checked = 0
    for frame, objects in list(boxes.items())[::20]:
        scene_obs = np.load(split / f"episode_{frame}.npz")["scene_obs"]
        for index, colour in enumerate(BLOCK_ORDER[scene_of(int(frame), scenes)]):
            name = f"{colour}_block"
            box, pixels = objects[name]["box"], objects[name]["pixels"]
            if box is None or pixels < 150:
                continue
            [(x, y)] = project_static(scene_obs[6 + 6 * index : 9 + 6 * index])
            assert box[0] - 3 <= x <= box[2] + 3, (frame, name)
            assert box[1] - 3 <= y <= box[3] + 3, (frame, name)
            checked += 1
    assert checked > 5
