"""Hard scenes for gaze: blocks huddled together, doors and drawer at random, a hand that goes in between.

An episode starts from the simulator's random scene. The second and third block are moved beside the first, and
the open hand goes towards it and past it, so that it hides blocks, handles and switches for a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.actions import MAX_STEP_M
from benchmark.observations import BLOCKS, POSE_SIZE
from benchmark.tasks import BLOCK_COLOURS, SCENES
from detectors.base import Box, Target
from detectors.scoring import FrameTruth, object_truths
from detectors.targets.table import BUTTON, DRAWER, DRAWER_HANDLE, SLIDER_HANDLE, SWITCH, block
from simulators.playtable.env import PlayTable

#: GroundingDINO's weights where no others are named (`gaze_small_model`).
SMALL_MODEL = Path(__file__).parent / "play_table_grounding_dino"
TARGETS: tuple[Target, ...] = (
    *map(block, BLOCK_COLOURS),
    DRAWER_HANDLE,
    SLIDER_HANDLE,
    SWITCH,
    BUTTON,
    DRAWER,
)
#: Control steps of an episode, and how many of them pass between two frames.
STEPS, FRAME_EVERY = 60, 2
#: Distances in m of the huddled blocks' middles; blocks are 0.05 to 0.1 m long.
_HUDDLE = (0.08, 0.11)
_HOVER_METRES = 0.06


@dataclass(frozen=True)
class Scenery:
    """Frames (N, 200, 200, 3) uint8 of one episode, with the true boxes of each and how many pixels show them."""

    scene: str
    images: np.ndarray
    boxes: list[dict[str, Box | None]]
    pixels: list[dict[str, int]]

    def truths(self, name: str) -> list[FrameTruth | None]:
        """What is really in each frame for one object."""
        return object_truths(self.boxes, name, self.pixels)


def episodes(
    count: int, seed: int, assets: str | None = None, first: int = 0, scenes: Sequence[str] = SCENES
) -> Iterator[Scenery]:
    """Episodes `first` to `count` over the scenes in turn; the same seed gives the same frames.

    assets: a clone of calvin_env, to draw them in CALVIN's own scenes. Raises ValueError unless `first` is a
    multiple of the number of scenes.
    """
    if first % len(scenes):
        raise ValueError(f"first is {first}, no multiple of {len(SCENES)}")
    for name in scenes:
        simulator = PlayTable(name, assets)
        try:
            for number in range(first + scenes.index(name), count, len(scenes)):
                yield _episode(simulator, name, np.random.default_rng([seed, number]))
        finally:
            simulator.close()


def _episode(simulator: PlayTable, name: str, random: np.random.Generator) -> Scenery:
    simulator.reset(seed=int(random.integers(2**31)))
    robot_obs, scene_obs = simulator.state()
    blocks = scene_obs[BLOCKS].reshape(-1, POSE_SIZE)  # views of scene_obs: x, y, z, Euler angles
    goal = blocks[0, :3].copy()
    for other, angle in zip(blocks[1:], _two_sides(random), strict=True):
        distance = random.uniform(*_HUDDLE)
        other[:3] = goal + np.array([distance * np.cos(angle), distance * np.sin(angle), 0.0])
        other[5] = random.uniform(0, np.pi)
    simulator.reset(robot_obs, scene_obs)
    beyond = goal + random.uniform([-0.2, -0.2, 0.0], [0.2, 0.2, 0.15])
    above = goal + np.array([0.0, 0.0, _HOVER_METRES])
    images, boxes, pixels = [], [], []
    for step in range(STEPS):
        wanted = above if step < STEPS // 2 else beyond
        move = (wanted - simulator.target_pose()[:3]) / MAX_STEP_M
        action = np.zeros(7)
        action[:3] = np.clip(move * 0.3, -1, 1)
        action[6] = 1.0
        simulator.step(action)
        if step % FRAME_EVERY == 0:
            seen = simulator.observe(("static",), boxes=True)
            images.append(seen["rgb_static"])
            boxes.append(seen["true_boxes"])
            pixels.append(seen["visible_pixels"])
    return Scenery(name, np.stack(images), boxes, pixels)


def _two_sides(random: np.random.Generator) -> tuple[float, float]:
    first = random.uniform(0, 2 * np.pi)
    return first, first + random.uniform(np.pi / 2, 3 * np.pi / 2)
