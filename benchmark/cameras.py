"""CALVIN's two cameras as data: calvin_env/conf/cameras/cameras/{static,gripper}.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Lens:
    """A square image of `pixels` a side; distances in m."""

    fov_degrees: float
    near: float
    far: float
    pixels: int


@dataclass(frozen=True)
class StaticCamera:
    """Eye and target in world m."""

    lens: Lens
    eye: Vector
    target: Vector
    up: Vector


HAND_LENS = Lens(75.0, 0.01, 2.0, 84)
STATIC_CAMERA = StaticCamera(
    Lens(10.0, 0.01, 10.0, 200),
    eye=(2.871459009488717, -2.166602199425597, 2.555159848480571),
    target=(-0.026242351159453392, -0.0302329882979393, 0.3920000493526459),
    up=(0.4041403970338857, 0.22629790978217404, 0.8862616969685161),
)

#: The same in nanometres. Boxes of drawers and doors that are stored were computed with it, and are to be found again.
STATIC_CAMERA_NM = StaticCamera(
    STATIC_CAMERA.lens,
    eye=(2.871459009, -2.166602199, 2.555159849),
    target=(-0.026242351, -0.030232988, 0.392000049),
    up=(0.404140397, 0.226297910, 0.886261697),
)

CAMERAS = ("static", "gripper")

#: PyBullet's renderers, as simulators name them: on a graphics card, and in software.
EGL: Final = "egl"
TINY: Final = "tiny"
