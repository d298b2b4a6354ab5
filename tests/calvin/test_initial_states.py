from __future__ import annotations

import numpy as np
import pytest

from benchmark.tasks import BLOCK_ORDER
from calvin.initial_states import fnv1_32, initial_state_obs, seed_of
from errors import InvalidInput

STATE = {
    "led": 1,
    "lightbulb": 1,
    "slider": "left",
    "drawer": "open",
    "red_block": "slider_left",
    "blue_block": "table",
    "pink_block": "slider_right",
    "grasped": 0,
}


def test_hash_of_utf16() -> None:
    assert fnv1_32("hello world".encode("utf-16-le")) == 3799943344
    assert fnv1_32(b"hello world") == 2805756500
    assert fnv1_32(b"") == 0


def test_first_official_sequence() -> None:
    """Values recorded from pyhash 0.9.3 and NumPy 1.23.5."""
    assert seed_of(STATE) == 2138410836
    _, scene_obs = initial_state_obs(STATE)
    np.testing.assert_allclose(scene_obs[[11, 17, 23]], [1.885941, 1.488143, 1.468399], atol=5e-7)
    assert scene_obs[12] == pytest.approx(0.23, abs=1e-5)
    np.testing.assert_array_equal(scene_obs[:6], [0.28, 0.22, 0, 0.088, 1, 1])


def test_the_order_of_keys_does_not_matter() -> None:
    turned = dict(reversed(STATE.items()))
    assert seed_of(turned) == seed_of(STATE)
    np.testing.assert_array_equal(initial_state_obs(turned)[1], initial_state_obs(STATE)[1])


@pytest.mark.parametrize("scene", ["A", "B", "C", "D"])
def test_blocks_stand_where_the_scene_lists_them(scene: str) -> None:
    _, plain = initial_state_obs(STATE)
    _, ordered = initial_state_obs(STATE, BLOCK_ORDER[scene])
    np.testing.assert_array_equal(ordered[:6], plain[:6])
    for position, colour in enumerate(BLOCK_ORDER[scene]):
        usual = ("red", "blue", "pink").index(colour)
        np.testing.assert_array_equal(ordered[6 + 6 * position :][:6], plain[6 + 6 * usual :][:6])


def test_two_blocks_on_the_table_do_not_share_a_spot() -> None:
    for pair in (("red_block", "blue_block"), ("red_block", "pink_block"), ("blue_block", "pink_block")):
        blocks = dict.fromkeys(("red_block", "blue_block", "pink_block"), "slider_left")
        _, scene_obs = initial_state_obs(STATE | blocks | dict.fromkeys(pair, "table"))
        spots = {tuple(scene_obs[start : start + 3]) for start in (6, 12, 18)}
        assert len(spots) == 3, pair


def test_leaves_the_global_random_state_alone() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    initial_state_obs(STATE)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slider": "up"}, r"slider = 'up'; it must be one of \['left', 'right'\]"),
        ({"led": 2}, "led = 2"),
        ({"grasped": 1}, "grasped = 1"),
        ({"red_block": "drawer"}, "red_block = 'drawer'"),
    ],
)
def test_refuses_impossible_values(change: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        initial_state_obs(STATE | change)


def test_refuses_a_missing_key() -> None:
    with pytest.raises(InvalidInput, match="has no 'drawer'"):
        initial_state_obs({key: value for key, value in STATE.items() if key != "drawer"})


def test_refuses_a_wrong_block_order() -> None:
    with pytest.raises(InvalidInput, match="block order"):
        initial_state_obs(STATE, ("red", "red", "pink"))
