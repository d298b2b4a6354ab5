"""Random initial scenes: doors, lights and non-touching blocks on the scene's surfaces."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from errors import SimulatorError
from simulators.playtable.scene import Scene

#: Centres of two blocks are at least this far apart, which leaves room for open fingers around each.
BLOCK_CLEARANCE_METRES = 0.14
#: A stacked block starts a tenth of a millimetre inside the lower one, so that they touch at once.
_STACK_HEIGHT = 0.0399
#: Room that the fingers, and a closed door in front of a block, need inside the cabinet: x from both
#: walls, y from the front and from the back.
_CABINET_MARGIN_X = 0.03
_CABINET_MARGINS_Y = (0.035, 0.02)
_DRAWER_FLOOR_Z = 0.36
_ATTEMPTS = 1000


@dataclass(frozen=True)
class Choice:
    """What a random scene must have; None leaves it to chance.

    `blocks` are (block name, surface name); `stacked` are (upper, lower) block names on the table.
    """

    slide_left: bool | None = None
    drawer_open: bool | None = None
    bulb_on: bool | None = None
    led_on: bool | None = None
    blocks: tuple[tuple[str, str], ...] = ()
    stacked: tuple[str, str] | None = None


def random_scene(scene: Scene, rng: np.random.Generator, choice: Choice | None = None) -> np.ndarray:
    """A scene_obs (24,) that satisfies `choice`. Surfaces: `table`, `slider_left`, `slider_right`, `drawer`.

    Raises SimulatorError when the blocks cannot be placed apart from each other.
    """
    choice = choice or Choice()
    ranges = scene.ranges
    coins = rng.integers(0, 2, 4).astype(bool)
    wanted = (choice.slide_left, choice.drawer_open, choice.bulb_on, choice.led_on)
    slide_left, drawer_open, bulb_on, led_on = (
        bool(coin) if want is None else want for coin, want in zip(coins, wanted)
    )
    slots = [
        slide_left * ranges.slide,
        drawer_open * ranges.drawer,
        0.0,
        bulb_on * ranges.switch,
        bulb_on,
        led_on,
    ]
    surfaces = _surfaces(scene, dict(choice.blocks), rng)
    poses = _place(scene, surfaces, drawer_open, rng)
    if choice.stacked is not None:
        upper, lower = (list(scene.blocks).index(name) for name in choice.stacked)
        poses[upper] = poses[lower] + [0.0, 0.0, _STACK_HEIGHT, 0.0, 0.0, 0.0]
    return np.array([*slots, *poses.ravel()], dtype=np.float64)


def _surfaces(scene: Scene, chosen: dict[str, str], rng: np.random.Generator) -> list[str]:
    """A surface for every block: at most one block on each side of the cabinet, as in CALVIN's sequences."""
    free = ["table", "table", "slider_left", "slider_right"]
    for surface in chosen.values():
        if surface in free:
            free.remove(surface)
    rest = iter(rng.permutation(free).tolist())
    return [chosen[name] if name in chosen else next(rest) for name in scene.blocks]


def _place(scene: Scene, surfaces: list[str], drawer_open: bool, rng: np.random.Generator) -> np.ndarray:
    for _ in range(_ATTEMPTS):
        poses = np.zeros((len(surfaces), 6))
        for pose, surface in zip(poses, surfaces):
            low, high = _bounds(scene, surface, drawer_open)
            pose[:3] = rng.uniform(low, high)
            pose[5] = rng.uniform(3 * math.pi / 8, 5 * math.pi / 8)
        gaps = np.linalg.norm(poses[:, None, :2] - poses[None, :, :2], axis=2)
        if gaps[np.triu_indices(len(poses), k=1)].min() >= BLOCK_CLEARANCE_METRES:
            return poses
    raise SimulatorError(f"scene {scene.name}: no room for the blocks on {', '.join(surfaces)}")


def _bounds(scene: Scene, surface: str, drawer_open: bool) -> tuple[np.ndarray, np.ndarray]:
    if surface == "drawer":
        if not drawer_open:
            raise SimulatorError(f"scene {scene.name}: a block cannot be put into the closed drawer")
        x = scene.drawer_x
        return np.array([x - 0.09, -0.31, _DRAWER_FLOOR_Z]), np.array([x + 0.09, -0.25, _DRAWER_FLOOR_Z])
    low, high = (np.array(corner) for corner in scene.surfaces[surface])
    if surface.startswith("slider"):
        low += [_CABINET_MARGIN_X, _CABINET_MARGINS_Y[0], 0.0]
        high -= [_CABINET_MARGIN_X, _CABINET_MARGINS_Y[1], 0.0]
    return low, high
