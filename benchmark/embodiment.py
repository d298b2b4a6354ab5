"""The shapes of what the robot senses and does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.cameras import HAND_LENS, STATIC_CAMERA

#: Actions that ReconVLA predicts at a time.
CHUNK_STEPS = 5


@dataclass(frozen=True)
class Embodiment:
    """Square pictures of so many pixels a side; sizes of `robot_obs`, `scene_obs` and an action; actions a second."""

    static_pixels: int
    gripper_pixels: int
    robot_obs_size: int
    scene_obs_size: int
    action_size: int
    control_hz: int

    @property
    def static_shape(self) -> tuple[int, int, int]:
        return self.static_pixels, self.static_pixels, 3

    @property
    def gripper_shape(self) -> tuple[int, int, int]:
        return self.gripper_pixels, self.gripper_pixels, 3

    @property
    def frame_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each array of one recorded frame, by CALVIN's name of it, in the order of its files."""
        return {
            "rgb_static": self.static_shape,
            "rgb_gripper": self.gripper_shape,
            "robot_obs": (self.robot_obs_size,),
            "scene_obs": (self.scene_obs_size,),
            "actions": (self.action_size,),
            "rel_actions": (self.action_size,),
        }


CALVIN = Embodiment(
    static_pixels=STATIC_CAMERA.lens.pixels,
    gripper_pixels=HAND_LENS.pixels,
    robot_obs_size=15,
    scene_obs_size=24,
    action_size=7,
    control_hz=30,
)
