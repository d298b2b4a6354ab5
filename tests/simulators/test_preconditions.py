from __future__ import annotations

import numpy as np
import pytest

from benchmark.tasks import TASKS
from errors import SimulatorError
from simulators.playtable.own_scenes import own_scene
from simulators.playtable.random_scene import Choice, random_scene
from simulators.preconditions import is_possible

D = own_scene("D")


def scene_obs(**choice: object) -> np.ndarray:
    return random_scene(D, np.random.default_rng(0), Choice(**choice))  # type: ignore[arg-type]


def test_doors_and_lamps_must_stand_right() -> None:
    obs = scene_obs(slide_left=True, drawer_open=False, bulb_on=True, led_on=False)
    wanted = {"move_slider_right", "open_drawer", "turn_off_lightbulb", "turn_on_led"}
    opposite = {"move_slider_left", "close_drawer", "turn_on_lightbulb", "turn_off_led"}
    assert {task for task in wanted | opposite if is_possible(D, task, obs)} == wanted


def test_block_must_be_where_the_task_takes_it_from() -> None:
    places = (("block_red", "table"), ("block_blue", "slider_right"), ("block_pink", "drawer"))
    obs = scene_obs(slide_left=True, drawer_open=True, blocks=places)
    lifts = {task for task in TASKS if task.startswith("lift_") and is_possible(D, task, obs)}
    assert lifts == {"lift_red_block_table", "lift_blue_block_slider", "lift_pink_block_drawer"}


def test_closed_drawer_and_covered_side_give_nothing() -> None:
    obs = scene_obs(slide_left=True, drawer_open=True, blocks=(("block_pink", "drawer"),))
    obs[1] = 0.0
    assert not is_possible(D, "lift_pink_block_drawer", obs)
    hidden = scene_obs(slide_left=False, blocks=(("block_blue", "slider_right"),))
    assert not is_possible(D, "lift_blue_block_slider", hidden)


def test_fallen_or_crowded_block_is_not_grasped() -> None:
    obs = scene_obs(blocks=(("block_red", "table"), ("block_blue", "table")))
    obs[6:9], obs[12:15] = [0.1, -0.1, 0.46], [0.3, -0.1, 0.46]
    assert is_possible(D, "rotate_red_block_left", obs)
    fallen, crowded = obs.copy(), obs.copy()
    fallen[9] = 1.5
    crowded[12] = 0.18
    assert not is_possible(D, "rotate_red_block_left", fallen)
    assert not is_possible(D, "rotate_red_block_left", crowded)


def test_stack_is_needed_to_unstack() -> None:
    pair = (("block_red", "table"), ("block_pink", "table"))
    obs = random_scene(D, np.random.default_rng(2), Choice(blocks=pair, stacked=("block_pink", "block_red")))
    flat = random_scene(D, np.random.default_rng(2), Choice(blocks=pair))
    assert is_possible(D, "unstack_block", obs)
    assert not is_possible(D, "unstack_block", flat)


def test_unknown_task_is_refused() -> None:
    with pytest.raises(SimulatorError, match="'fly' is not one of CALVIN's tasks"):
        is_possible(
            D, "fly", scene_obs(blocks=(("block_red", "slider_left"), ("block_blue", "slider_right")))
        )
