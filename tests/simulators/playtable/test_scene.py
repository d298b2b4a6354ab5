from __future__ import annotations

import numpy as np
import pytest

from benchmark.tasks import SCENES
from simulators.playtable.env import PlayTable
from simulators.playtable.own_scenes import own_scene
from simulators.playtable.scene import Landmark, table_landmarks


def test_landmark_travels_with_its_joint() -> None:
    scene_obs = np.zeros(24)
    scene_obs[1] = 0.2
    landmark = Landmark((0.1, -0.25, 0.36), 1, (0.0, -1.0, 0.0))
    np.testing.assert_allclose(landmark.position(scene_obs), [0.1, -0.45, 0.36])


def test_landmarks_lie_on_the_loaded_table(table_d: PlayTable) -> None:
    table_d.reset(seed=2)
    scene_obs = table_d.state()[1]
    links = {"button": "button_link", "switch": "switch_link", "drawer_handle": "drawer_handle_link"}
    for name, link in links.items():
        low, high = table_d._client.getAABB(table_d.table.uid, table_d.table.links[link])
        point = table_d.scene.landmarks[name].position(scene_obs)
        assert (np.array(low) - 0.005 <= point).all() and (point <= np.array(high) + 0.005).all()


def test_landmarks_of_the_official_table_are_those_of_ours(official_d: PlayTable) -> None:
    own = own_scene("D")
    assert vars(official_d.scene.ranges) == pytest.approx(vars(own.ranges))
    for name, landmark in own.landmarks.items():
        assert official_d.scene.landmarks[name].at == pytest.approx(landmark.at)


def test_blocks_are_read_in_the_order_of_the_scene() -> None:
    scene_obs = np.arange(24.0)
    for name in SCENES:
        scene = own_scene(name)
        for place, block in enumerate(scene.blocks):
            centre, yaw = scene.block_pose(scene_obs, block)
            np.testing.assert_array_equal(centre, 6 + 6 * place + np.arange(3))
            assert yaw == 11 + 6 * place


def test_open_side_is_where_the_door_is_not() -> None:
    scene = own_scene("D")
    assert scene.open_side(np.array([scene.ranges.slide, *np.zeros(23)])) == "slider_right"
    assert scene.open_side(np.zeros(24)) == "slider_left"


def test_landmarks_are_in_world_metres() -> None:
    button = table_landmarks(-0.15, 0.375, -0.125, 0.225)["button"]
    assert button.at == pytest.approx((-0.12, -0.12, 0.484))
