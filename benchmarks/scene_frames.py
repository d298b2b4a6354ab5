"""Static pictures of CALVIN's scenes with everything that moves at random: furniture, lamps, blocks and the arm.

The arm is where recorded demonstrations have it, moved a little or a lot, or anywhere; blocks lie on their surfaces or
hang in the air in any orientation, as if held. Nothing is stepped: what is drawn is a function of the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmark.observations import ARM, BLOCKS, BULB, BUTTON, DRAWER, GRIPPER_WIDTH, LED, SLIDE, SWITCH
from simulators.playtable.env import PlayTable
from simulators.playtable.random_scene import random_scene
from simulators.playtable.scene import Scene

_BUTTON_METRES = 0.02
#: Share of blocks that hang, and within which corners.
_HANGING = 0.3
_AIR = ((-0.35, -0.3, 0.45), (0.35, 0.15, 0.75))
#: Radians by which the joints are moved, and share of frames; in the rest the arm is anywhere.
_MOVED = ((0.05, 0.4), (0.2, 0.4))
_LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
_UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])


def recorded_states(data: Path) -> np.ndarray:
    """(N, 15): robot_obs of every fourth frame of a dataset in CALVIN's format."""
    files = sorted(data.rglob("episode_*.npz"))[::4]
    return np.stack([np.load(file)["robot_obs"] for file in files])


def pictures(
    name: str, assets: Path | None, renderer: str, states: np.ndarray, numbers: Sequence[int], seed: int
) -> Iterator[np.ndarray]:
    """rgb_static (200, 200, 3) uint8 of each of `numbers`. assets: None draws Baton's own scene of that name."""
    simulator = PlayTable(name, assets, renderer)
    try:
        simulator.reset()
        for number in numbers:
            random = np.random.default_rng([seed, number, ord(name)])
            robot_obs, scene_obs = _robot(states, random), _furniture(simulator.scene, random)
            simulator.table.reset(scene_obs)
            simulator.robot.reset(robot_obs)
            yield simulator.observe(("static",))["rgb_static"]
    finally:
        simulator.close()


def _furniture(scene: Scene, random: np.random.Generator) -> np.ndarray:
    found = random_scene(scene, random)
    found[SLIDE], found[DRAWER] = (
        random.uniform(0, scene.ranges.slide),
        random.uniform(0, scene.ranges.drawer),
    )
    found[SWITCH], found[BUTTON] = random.uniform(0, scene.ranges.switch), random.uniform(0, _BUTTON_METRES)
    found[BULB], found[LED] = random.integers(0, 2, 2)
    for pose in found[BLOCKS].reshape(3, 6):
        if random.random() < _HANGING:
            pose[:3], pose[3:] = random.uniform(*_AIR), random.uniform(-np.pi, np.pi, 3)
    return found


def _robot(states: np.ndarray, random: np.random.Generator) -> np.ndarray:
    found = states[random.integers(len(states))].copy()
    found[GRIPPER_WIDTH] = random.uniform(0, 0.08)
    chance = random.random()
    for radians, share in _MOVED:
        if chance < share:
            found[ARM] = np.clip(found[ARM] + random.normal(0, radians, 7), _LOWER, _UPPER)
            return found
        chance -= share
    found[ARM] = random.uniform(_LOWER, _UPPER)
    return found
