from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from benchmark.tasks import SCENES
from errors import SimulatorError
from simulators.playtable.own_scenes import own_scene
from simulators.playtable.random_scene import BLOCK_CLEARANCE_METRES, Choice, random_scene


@pytest.mark.parametrize("name", SCENES)
def test_blocks_stand_apart_on_known_surfaces(name: str) -> None:
    scene = own_scene(name)
    for seed in range(30):
        centres = random_scene(scene, np.random.default_rng(seed))[6:].reshape(3, 6)[:, :3]
        for a, b in combinations(centres, 2):
            assert np.linalg.norm(a[:2] - b[:2]) >= BLOCK_CLEARANCE_METRES
        for centre in centres:
            assert any(
                (np.array(low) <= centre).all() and (centre <= np.array(high)).all()
                for low, high in scene.surfaces.values()
            )


def test_choice_is_kept() -> None:
    choice = Choice(
        slide_left=True,
        drawer_open=True,
        bulb_on=False,
        led_on=True,
        blocks=(("block_red", "drawer"), ("block_blue", "slider_right")),
    )
    for seed in range(10):
        obs = random_scene(own_scene("D"), np.random.default_rng(seed), choice)
        np.testing.assert_allclose(obs[:6], [0.28, 0.22, 0.0, 0.0, 0.0, 1.0])
        assert obs[8] == 0.36
        assert -0.05 < obs[12] < 0.13
        assert obs[13] > 0.04


def test_stacked_block_is_on_top() -> None:
    choice = Choice(
        blocks=(("block_red", "table"), ("block_pink", "table")), stacked=("block_pink", "block_red")
    )
    obs = random_scene(own_scene("D"), np.random.default_rng(0), choice)
    np.testing.assert_allclose(obs[18:20], obs[6:8])
    assert obs[20] - obs[8] == pytest.approx(0.0399)


def test_closed_drawer_takes_no_block() -> None:
    choice = Choice(drawer_open=False, blocks=(("block_red", "drawer"),))
    with pytest.raises(SimulatorError, match="closed drawer"):
        random_scene(own_scene("D"), np.random.default_rng(0), choice)
