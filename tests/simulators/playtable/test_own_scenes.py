from __future__ import annotations

import pytest

from benchmark.tasks import SCENES
from errors import SimulatorError
from simulators.base import BOX_NAMES
from simulators.playtable.own_scenes import own_scene


def test_block_order_is_calvins() -> None:
    orders = {name: [block.removeprefix("block_") for block in own_scene(name).blocks] for name in SCENES}
    assert orders == {
        "A": ["pink", "blue", "red"],
        "B": ["red", "blue", "pink"],
        "C": ["blue", "red", "pink"],
        "D": ["red", "blue", "pink"],
    }


@pytest.mark.parametrize("name", SCENES)
def test_every_box_has_links(name: str) -> None:
    scene = own_scene(name)
    assert tuple(scene.boxes) == BOX_NAMES
    assert set(scene.surfaces) == {"table", "slider_left", "slider_right"}


def test_unknown_scene_lists_the_known_ones() -> None:
    with pytest.raises(SimulatorError, match=r"scene 'E' is unknown; playtable has A, B, C, D"):
        own_scene("E")
