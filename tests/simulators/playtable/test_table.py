from __future__ import annotations

import numpy as np
import pytest

from errors import SimulatorError
from simulators.playtable.env import PlayTable
from simulators.playtable.random_scene import Choice, random_scene

STAY = np.array([0.0, 0, 0, 0, 0, 0, 1])


def state_with(sim: PlayTable, **changes: bool) -> np.ndarray:
    return random_scene(sim.scene, np.random.default_rng(0), Choice(**changes))


def test_ranges_are_calvins(table_d: PlayTable) -> None:
    ranges = table_d.scene.ranges
    assert (ranges.slide, ranges.drawer, ranges.switch) == pytest.approx((0.28, 0.22, 0.088))


def test_button_toggles_the_led_once_a_press(table_d: PlayTable) -> None:
    table_d.reset(scene_obs=state_with(table_d, led_on=False))
    seen = []
    for pressed in (True, True, False, True, False):
        table_d.table.button.reset(0.02 if pressed else 0.0)
        table_d.table.update()
        seen.append(table_d.info()["scene_info"]["lights"]["led"]["logical_state"])
    assert seen == [1, 1, 1, 0, 0]


def test_switch_decides_the_bulb(table_d: PlayTable) -> None:
    table_d.reset(scene_obs=state_with(table_d, bulb_on=False))
    seen = []
    for position in (0.03, 0.06, 0.05, 0.03):
        table_d.table.switch.reset(position)
        table_d.table.update()
        seen.append(table_d.info()["scene_info"]["lights"]["lightbulb"]["logical_state"])
    assert seen == [0, 1, 1, 0]


def test_nothing_moves_by_itself(table_d: PlayTable) -> None:
    for seed in range(4):
        table_d.reset(seed=seed)
        before = table_d.state()[1]
        for _ in range(20):
            table_d.step(STAY)
        np.testing.assert_allclose(table_d.state()[1], before, atol=2e-3)


def test_impossible_scene_states_are_refused(table_d: PlayTable) -> None:
    good = state_with(table_d)
    with pytest.raises(SimulatorError, match="24 finite numbers"):
        table_d.reset(scene_obs=good[:20])
    good[4] = 0.5
    with pytest.raises(SimulatorError, match="must be 0 or 1"):
        table_d.reset(scene_obs=good)
    table_d.reset(seed=0)
