from __future__ import annotations

import pytest

from errors import ConfigError
from simulators import registry
from simulators.base import BOX_NAMES, CAMERAS


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'calvn' is unknown; known simulators: playtable"):
        registry.create("calvn")


def test_a_mistyped_name_is_told_with_the_one_that_is_near() -> None:
    for make in (registry.create, registry.create_apart):
        with pytest.raises(ConfigError, match=r"'playtabel' is unknown; .*; did you mean playtable\?$"):
            make("playtabel")


def test_the_built_in_simulator_keeps_the_contract() -> None:
    sim = registry.create("playtable", "D")
    sim.reset(seed=1)
    observation = sim.observe(CAMERAS, boxes=True)
    assert observation["rgb_static"].shape == (200, 200, 3)
    assert observation["rgb_gripper"].shape == (84, 84, 3)
    assert observation["rgb_static"].dtype == observation["rgb_gripper"].dtype == "uint8"
    assert observation["robot_obs"].shape == (15,)
    assert observation["scene_obs"].shape == (24,)
    assert set(observation["true_boxes"]) == set(BOX_NAMES) == set(sim.true_boxes())
    assert sim.target_pose().shape == (6,)
    sim.close()
    sim.close()
