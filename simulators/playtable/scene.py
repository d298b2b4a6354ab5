"""What a scene consists of, as data: files, names of joints and links, block order, surfaces, cameras.

Nothing here talks to the physics engine. Baton's own scenes are in `own_scenes`, CALVIN's in
`calvin_scenes`; everything else treats both alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark.cameras import HAND_LENS, STATIC_CAMERA, Lens, StaticCamera
from benchmark.observations import BLOCKS, BUTTON, DRAWER, POSE_SIZE, POSITION, SLIDE, SWITCH

Vector = tuple[float, float, float]
Colour = tuple[float, float, float, float]
Surface = tuple[Vector, Vector]

#: The joints of every table and arm, and what of the arm is asked for by name.
TABLE_JOINTS = ("base__slide", "base__drawer", "base__button", "base__switch")  # in the order of scene_obs
ARM_JOINTS = tuple(f"panda_joint{number}" for number in range(1, 8))
FINGER_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")
TOOL_LINK, CAMERA_LINK = "tcp", "gripper_cam"

#: Tables are designed in these units: a scene's bodies, robot excepted, are loaded at this scale
#: (calvin_env/conf/scene/*.yaml, global_scaling).
DESIGN_SCALE = 0.8
#: The cabinet's front leans back by this much.
SLOPE = math.radians(60.0)
#: What a file may say at most, in m or in a body's own units: a table's are near to metres.
FARTHEST = 1000.0


@dataclass(frozen=True)
class SceneFiles:
    """The URDFs of a scene; `blocks` in the order of scene_obs."""

    robot: Path
    blocks: Mapping[str, Path]
    table: Path
    floor: Path


@dataclass(frozen=True)
class Light:
    link: str
    colour_on: Colour
    colour_off: Colour = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Ranges:
    """Travel of some of the table's joints, in m."""

    slide: float
    drawer: float
    switch: float


@dataclass(frozen=True)
class Landmark:
    """A point of the table to act on: `at` (world, m) while joint `joint` of scene_obs is 0, and the unit
    vector along which it travels with that joint."""

    at: Vector
    joint: int
    direction: Vector

    def position(self, scene_obs: np.ndarray) -> np.ndarray:
        """Where it is now, (3,) in m."""
        return np.array(self.at) + float(scene_obs[self.joint]) * np.array(self.direction)


@dataclass(frozen=True)
class Beyond:
    """The half-space of points farther than `metres` along the unit vector `normal`, moving along it by
    the value of joint `joint` of scene_obs, if there is one."""

    normal: Vector
    metres: float
    joint: int | None = None


@dataclass(frozen=True)
class Shown:
    """What makes a true box: the visible pixels of these links of `body`, a block's name or `table`; where
    `part` is given, only those of surface points inside it."""

    body: str
    links: tuple[str, ...]
    part: Beyond | None = None


@dataclass(frozen=True)
class Scene:
    """`blocks` maps names, in the order of `scene_obs`, to lengths in m; `surfaces` are the (low, high)
    corners of block centres in m; `drawer_x` is the drawer's middle in m.

    `fixed_links` are the table's links that never move, lamps excepted. `write_files` gives the URDFs; it may
    write them into the folder it is handed. `origin` says whose scene it is and `digest` which files it is
    made of ("" where they are written by Baton). `deterministic_pairs` is Bullet's switch of that name;
    `loading_poses` are where blocks (xyz in m, Euler xyz) are before the first reset, the origin by default.
    """

    name: str
    origin: str
    blocks: Mapping[str, float]
    surfaces: Mapping[str, Surface]
    write_files: Callable[[Path], SceneFiles]
    boxes: Mapping[str, Shown]
    landmarks: Mapping[str, Landmark]
    fixed_links: tuple[str, ...]
    drawer_x: float
    ranges: Ranges
    deterministic_pairs: bool
    loading_poses: Mapping[str, tuple[Vector, Vector]] = field(default_factory=dict)
    digest: str = ""
    robot_position: Vector = (-0.34, -0.46, 0.24)
    robot_orientation: Vector = (0.0, 0.0, 0.0)
    bulb: Light = Light("light_link", (1.0, 1.0, 0.0, 1.0))
    led: Light = Light("led_link", (0.0, 1.0, 0.0, 1.0))
    static_camera: StaticCamera = STATIC_CAMERA
    hand_lens: Lens = HAND_LENS

    def block_pose(self, scene_obs: np.ndarray, name: str) -> tuple[np.ndarray, float]:
        """Centre (3,) in m and yaw in rad of a block such as `block_red`."""
        pose = scene_obs[BLOCKS].reshape(-1, POSE_SIZE)[list(self.blocks).index(name)]
        return pose[POSITION].copy(), float(pose[-1])

    def open_side(self, scene_obs: np.ndarray) -> str:
        """The surface of the cabinet that the sliding door leaves free."""
        return "slider_right" if scene_obs[SLIDE] > self.ranges.slide / 2 else "slider_left"


def table_landmarks(button_x: float, switch_x: float, slide_x: float, drawer_x: float) -> dict[str, Landmark]:
    """Where to press, hook and push, from the joints' x in design units.

    The rest of the geometry is common to CALVIN's four tables: joint origins in
    calvin_env/data/calvin_table_*/urdf, extents of handles and switch from the meshes beside them.
    """
    cos, sin = math.cos(SLOPE), math.sin(SLOPE)
    up_front, out_of_front = np.array([0.0, cos, sin]), np.array([0.0, -sin, cos])
    switch = np.array([switch_x, 0.07616, 0.61861]) + 0.01 * up_front + 0.0675 * out_of_front
    slide = np.array([slide_x + 0.175, 0.09375, 0.66908]) + 0.0875 * out_of_front
    points = {
        "button": (np.array([button_x, -0.15, 0.605]), BUTTON, (0.0, 0.0, -1.0)),
        "switch": (switch, SWITCH, _vector(up_front)),
        "slide_handle": (slide, SLIDE, (-1.0, 0.0, 0.0)),
        "drawer_handle": (np.array([drawer_x, -0.3125, 0.45]), DRAWER, (0.0, -1.0, 0.0)),
        "drawer": (np.array([drawer_x, -0.0625, 0.425]), DRAWER, (0.0, -1.0, 0.0)),
    }
    return {
        name: Landmark(_vector(DESIGN_SCALE * at), joint, direction)
        for name, (at, joint, direction) in points.items()
    }


def _vector(values: np.ndarray) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
