from __future__ import annotations

import numpy as np
import pytest

from benchmarks.whole_pictures import whole_pictures
from simulators.playtable.env import PlayTable
from simulators.playtable.random_scene import Choice, random_scene


def assert_pixels_are_those_of_a_whole_rendering(
    sim: PlayTable, bullet: PlayTable, seed: int, steps: int
) -> None:
    """Along a random walk of arm and hand that runs into doors, blocks and the desk."""
    rng = np.random.default_rng(seed)
    for table in (sim, bullet):
        table.reset(seed=seed)
    drift = rng.uniform(-0.5, 0.5, 6) * [1, 1, 1, 0.3, 0.3, 1]
    for step in range(steps):
        move = np.clip(drift + rng.uniform(-0.8, 0.8, 6), -1, 1)
        action = np.array([*move, rng.choice([-1.0, 1.0])])
        for table in (sim, bullet):
            table.step(action)
        if step % 8 == 7:
            with_boxes = step % 16 == 15
            observation, theirs = (table.observe(boxes=with_boxes) for table in (sim, bullet))
            for name, picture in whole_pictures(bullet).items():
                assert (observation[name] != picture).any(axis=2).sum() == 0, (name, step)
            assert observation.keys() == theirs.keys()
            for name, value in theirs.items():
                np.testing.assert_array_equal(observation[name], value, err_msg=f"{name} at step {step}")


@pytest.mark.parametrize("seed", range(4))
def test_own_scene(table_d: PlayTable, bullet_d: PlayTable, seed: int) -> None:
    assert_pixels_are_those_of_a_whole_rendering(table_d, bullet_d, seed, 64)


@pytest.mark.parametrize("seed", range(3))
def test_official_scene(official_d: PlayTable, official_bullet_d: PlayTable, seed: int) -> None:
    assert_pixels_are_those_of_a_whole_rendering(official_d, official_bullet_d, seed, 48)


@pytest.mark.parametrize("bulb_on", [False, True])
@pytest.mark.parametrize("led_on", [False, True])
def test_lamps_change_the_backdrop(
    table_d: PlayTable, bullet_d: PlayTable, bulb_on: bool, led_on: bool
) -> None:
    choice = Choice(bulb_on=bulb_on, led_on=led_on)
    for table in (table_d, bullet_d):
        table.reset(scene_obs=random_scene(table.scene, np.random.default_rng(0), choice))
        table.step(np.array([0.0, 0, 0, 0, 0, 0, 1]))
    observation = table_d.observe(("static",), boxes=True)
    np.testing.assert_array_equal(observation["rgb_static"], whole_pictures(bullet_d)["rgb_static"])
    for lamp, on, dark_channels in (("lightbulb", bulb_on, [2]), ("led", led_on, [0, 2])):
        x0, y0, x1, y1 = observation["true_boxes"][lamp]
        pixel = observation["rgb_static"][(y0 + y1) // 2, (x0 + x1) // 2]
        assert (pixel[dark_channels] < 60).all() == on


def test_a_moved_door_is_drawn_anew(table_d: PlayTable) -> None:
    pictures = []
    for is_open in (False, True, False):
        choice = Choice(drawer_open=is_open)
        table_d.reset(scene_obs=random_scene(table_d.scene, np.random.default_rng(1), choice))
        pictures.append(table_d.observe(("static",))["rgb_static"])
    assert (pictures[0] != pictures[1]).any()
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_parts_out_of_sight_are_not_drawn(official_d: PlayTable) -> None:
    official_d.reset(seed=0)
    official_d.observe(("gripper",))
    hidden = official_d._drawer.visuals._hidden
    arm = {(official_d.robot.uid, link) for link in range(4)}
    assert arm <= hidden
    assert (official_d.table.uid, -1) not in hidden
