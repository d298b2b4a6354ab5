"""What every simulator of CALVIN's table offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from benchmark.cameras import CAMERAS

#: How often a sequence or demonstration may lose its simulator before the whole evaluation is given up.
MAX_REPLAYS = 3

#: What `Simulator.true_boxes` knows.
BOX_NAMES = (
    "red_block",
    "blue_block",
    "pink_block",
    "drawer",
    "drawer_handle",
    "slider",
    "slider_handle",
    "switch",
    "button",
    "led",
    "lightbulb",
)

#: x0, y0, x1, y1 in pixels of the static image, x1 and y1 exclusive.
PixelBox = tuple[int, int, int, int]


class Observation(TypedDict, total=False):
    """What a camera and the state show at one moment: what was asked for (`Simulator.observe`), or recorded."""

    rgb_static: NDArray[np.uint8]
    rgb_gripper: NDArray[np.uint8]
    robot_obs: NDArray[np.float64]
    scene_obs: NDArray[np.float64]
    true_boxes: dict[str, PixelBox | None]
    visible_pixels: dict[str, int]


class Simulator(Protocol):
    """A robot at CALVIN's table. Physics and rendering are separate: `step` draws nothing."""

    def reset(
        self, robot_obs: np.ndarray | None = None, scene_obs: np.ndarray | None = None, seed: int = 0
    ) -> None:
        """Start an episode. The state after it is a function of the arguments alone.

        `robot_obs` (15,) and `scene_obs` (24,) are restored where given; otherwise the robot is in its
        rest pose and the scene is drawn at random from `seed`. Raises SimulatorError for impossible values.
        """

    def step(self, action: np.ndarray) -> None:
        """Advance by 1/30 s under a relative action (7,): xyz, Euler xyz, each in units of
        `benchmark.actions`' largest step, and the gripper, exactly 1 (open) or -1. Raises SimulatorError otherwise."""

    def observe(self, cameras: Sequence[str] = CAMERAS, boxes: bool = False) -> Observation:
        """Render. Keys `rgb_static` (200, 200, 3) and `rgb_gripper` (84, 84, 3) uint8 RGB as asked,
        `robot_obs` (15,), `scene_obs` (24,) float64, and with `boxes` the `true_boxes` of the same render, with
        `visible_pixels` where the simulator counts them."""

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        """robot_obs (15,) and scene_obs (24,), float64, without rendering."""

    def target_pose(self) -> np.ndarray:
        """The pose the controller tracks, (6,): xyz in m, Euler xyz in rad. Relative actions add to it."""

    def info(self) -> dict[str, Any]:
        """What CALVIN's task oracle reads, in the structure of calvin_env's `get_info()`."""

    def true_boxes(self) -> dict[str, PixelBox | None]:
        """Box of each of BOX_NAMES in the static image; None where no pixel of it is visible."""

    def description(self) -> dict[str, str]:
        """What decides the pixels beside the state (renderer, versions, scene): stored with results."""

    def close(self) -> None:
        """Free the physics server; may be called twice."""
