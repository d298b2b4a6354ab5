"""Each condition on small made-up infos, on both sides of its thresholds."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calvin.conditions import (
    DoorMoved,
    Lifted,
    LightToggled,
    Placed,
    Pushed,
    PushedInto,
    Rotated,
    Stacked,
    Unstacked,
    relative_euler_degrees,
)

ROBOT, RED, BLUE, TABLE = 0, 2, 3, 5
LINKS = {"base_link": -1, "plank_link": 6, "drawer_link": 3}


def touching(body: int, link: int = -1) -> list[int]:
    """The items of a PyBullet contact point that are looked at: the other body and its link."""
    return [0, 99, body, -1, link]


def on_table(uid: int) -> dict[str, Any]:
    return {
        "uid": uid,
        "current_pos": (0.0, 0.0, 0.46),
        "current_orn": (0.0, 0.0, 0.0, 1.0),
        "current_lin_vel": (0.0, 0.0, 0.0),
        "current_ang_vel": (0.0, 0.0, 0.0),
        "contacts": [touching(TABLE)],
    }


@pytest.fixture
def start() -> dict[str, Any]:
    return {
        "robot_info": {"uid": ROBOT, "contacts": []},
        "scene_info": {
            "fixed_objects": {"table": {"uid": TABLE, "links": LINKS}},
            "movable_objects": {"block_red": on_table(RED), "block_blue": on_table(BLUE)},
            "doors": {"base__slide": {"current_state": 0.1}},
            "lights": {"led": {"logical_state": 0}},
        },
    }


@pytest.fixture
def end(start: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(start)


def block(info: dict[str, Any], name: str = "block_red") -> dict[str, Any]:
    return info["scene_info"]["movable_objects"][name]


def yaw(degrees: float) -> tuple[float, ...]:
    return tuple(Rotation.from_euler("z", degrees, degrees=True).as_quat())


@pytest.mark.parametrize(
    ("degrees", "left", "right"), [(59, 0, 0), (61, 1, 0), (-61, 0, 1), (-59, 0, 0), (179, 1, 0)]
)
def test_rotated(start: dict, end: dict, degrees: float, left: int, right: int) -> None:
    block(end)["current_orn"] = yaw(degrees)
    assert Rotated("block_red", 60).met(start, end) is bool(left)
    assert Rotated("block_red", -60).met(start, end) is bool(right)


def test_rotated_not_when_moved_tilted_or_in_the_air(start: dict, end: dict) -> None:
    block(end)["current_orn"] = yaw(90)
    assert Rotated("block_red", 60).met(start, end)
    for change in (
        {"current_pos": (0.0, 0.11, 0.46)},
        {"current_orn": tuple(Rotation.from_euler("zx", [90, 31], degrees=True).as_quat())},
        {"contacts": [touching(ROBOT)]},
        {"contacts": []},
    ):
        changed = copy.deepcopy(end)
        block(changed).update(change)
        assert not Rotated("block_red", 60).met(start, changed), change


def test_relative_angles_are_those_of_scipy() -> None:
    random = np.random.RandomState(0)
    for before, after in random.randn(200, 2, 4):
        expected = (Rotation.from_quat(after) * Rotation.from_quat(before).inv()).as_euler(
            "xyz", degrees=True
        )
        np.testing.assert_allclose(relative_euler_degrees(before, after), expected, atol=1e-9)


@pytest.mark.parametrize(("x", "right", "left"), [(0.11, 1, 0), (0.09, 0, 0), (-0.09, 0, 0), (-0.11, 0, 1)])
def test_pushed(start: dict, end: dict, x: float, right: int, left: int) -> None:
    block(end)["current_pos"] = (x, 0.5, 0.46)
    assert Pushed("block_red", 0.1).met(start, end) is bool(right)
    assert Pushed("block_red", -0.1).met(start, end) is bool(left)


def test_pushed_not_off_its_surface(start: dict, end: dict) -> None:
    block(end)["current_pos"] = (0.2, 0.0, 0.46)
    block(end)["contacts"] = [touching(ROBOT)]
    assert not Pushed("block_red", 0.1).met(start, end)
    block(end)["contacts"] = [touching(TABLE, 3)]
    assert not Pushed("block_red", 0.1).met(start, end)
    block(end)["contacts"] = [touching(TABLE), touching(TABLE, 3), touching(ROBOT)]
    assert Pushed("block_red", 0.1).met(start, end)


@pytest.mark.parametrize(("rise", "contacts", "met"), [
    (0.051, [ROBOT], True), (0.05, [ROBOT], False), (0.06, [ROBOT, TABLE], False), (0.06, [], False),
])  # fmt: skip
def test_lifted(start: dict, end: dict, rise: float, contacts: list[int], met: bool) -> None:
    block(start)["current_pos"] = (0.0, 0.0, 0.0)
    block(end).update(current_pos=(0.0, 0.0, rise), contacts=[touching(body) for body in contacts])
    assert Lifted("block_red", 0.05, "base_link").met(start, end) is met
    assert not Lifted("block_red", 0.05, "drawer_link").met(start, end)


def test_placed(start: dict, end: dict) -> None:
    start["robot_info"]["contacts"] = [touching(RED), touching(RED)]
    block(start)["contacts"] = [touching(ROBOT)]
    block(end)["contacts"] = [touching(TABLE, LINKS["drawer_link"])]
    assert Placed("drawer_link").met(start, end)
    assert not Placed("plank_link").met(start, end)


@pytest.mark.parametrize("robot_touches", [[], [RED, BLUE], [TABLE]])
def test_placed_needs_one_held_block(start: dict, end: dict, robot_touches: list[int]) -> None:
    start["robot_info"]["contacts"] = [touching(body) for body in robot_touches]
    block(start)["contacts"] = [touching(ROBOT)]
    assert not Placed("base_link").met(start, end)


def test_placed_needs_the_robot_to_let_go(start: dict, end: dict) -> None:
    start["robot_info"]["contacts"] = end["robot_info"]["contacts"] = [touching(RED)]
    block(start)["contacts"] = [touching(ROBOT)]
    assert not Placed("base_link").met(start, end)


def test_pushed_into(start: dict, end: dict) -> None:
    condition = PushedInto(("block_red", "block_blue"), "base_link", "drawer_link")
    assert not condition.met(start, end)
    block(end, "block_blue")["contacts"] = [touching(TABLE, LINKS["drawer_link"]), touching(ROBOT)]
    assert condition.met(start, end)
    block(start, "block_blue")["contacts"] = [touching(TABLE), touching(ROBOT)]
    assert not condition.met(start, end)


@pytest.mark.parametrize(
    ("state", "left", "right"), [(0.26, 1, 0), (0.24, 0, 0), (-0.06, 0, 1), (-0.04, 0, 0)]
)
def test_door_moved(start: dict, end: dict, state: float, left: int, right: int) -> None:
    end["scene_info"]["doors"]["base__slide"]["current_state"] = state
    assert DoorMoved("base__slide", 0.15).met(start, end) is bool(left)
    assert DoorMoved("base__slide", -0.15).met(start, end) is bool(right)


@pytest.mark.parametrize(
    ("before", "after", "on", "off"), [(0, 1, 1, 0), (1, 0, 0, 1), (1, 1, 0, 0), (0, 0, 0, 0)]
)
def test_light_toggled(start: dict, end: dict, before: int, after: int, on: int, off: int) -> None:
    start["scene_info"]["lights"]["led"]["logical_state"] = before
    end["scene_info"]["lights"]["led"]["logical_state"] = after
    assert LightToggled("led", 1).met(start, end) is bool(on)
    assert LightToggled("led", 0).met(start, end) is bool(off)


def test_stacked_and_unstacked_are_each_others_inverse(start: dict, end: dict) -> None:
    block(end)["contacts"] = [touching(BLUE)]
    assert Stacked().met(start, end)
    assert not Unstacked().met(start, end)
    assert Unstacked().met(end, start)
    assert not Stacked().met(end, start)


@pytest.mark.parametrize("contacts", [[BLUE, ROBOT], [BLUE, TABLE], []])
def test_stacked_touches_blocks_only(start: dict, end: dict, contacts: list[int]) -> None:
    block(end)["contacts"] = [touching(body) for body in contacts]
    assert not Stacked().met(start, end)
    assert not Unstacked().met(end, start)


@pytest.mark.parametrize("velocity", ["current_lin_vel", "current_ang_vel"])
def test_stacked_at_rest(start: dict, end: dict, velocity: str) -> None:
    block(end)["contacts"] = [touching(BLUE)]
    block(end)[velocity] = (0.0, -1.0, 0.0)
    assert not Stacked().met(start, end)
    assert not Unstacked().met(end, start)
    block(end)[velocity] = (0.0, -math.nextafter(1.0, 0.0), 0.0)
    assert Stacked().met(start, end)
