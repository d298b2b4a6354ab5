"""CALVIN's two cameras, drawn by PyBullet's TinyRenderer, and boxes from the segmentation mask.

Camera parameters: calvin_env/conf/cameras/cameras/{static,gripper}.yaml; where the hand camera looks:
calvin_env/camera/gripper_camera.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pybullet

from simulators.base import PixelBox
from simulators.playtable.client import Client

STATIC_PIXELS = 200
GRIPPER_PIXELS = 84

_STATIC_VIEW = pybullet.computeViewMatrix(
    cameraEyePosition=[2.871459009488717, -2.166602199425597, 2.555159848480571],
    cameraTargetPosition=[-0.026242351159453392, -0.0302329882979393, 0.3920000493526459],
    cameraUpVector=[0.4041403970338857, 0.22629790978217404, 0.8862616969685161],
)
_STATIC_PROJECTION = pybullet.computeProjectionMatrixFOV(fov=10, aspect=1, nearVal=0.01, farVal=10)
_GRIPPER_PROJECTION = pybullet.computeProjectionMatrixFOV(fov=75, aspect=1, nearVal=0.01, farVal=2)


@dataclass(frozen=True)
class Picture:
    """`rgb` (n, n, 3) uint8; `segments` (n, n) int32: body uid + (link + 1) << 24, -1 where nothing is;
    `depth` (n, n) float32, OpenGL's depth buffer: 0 near, 1 far."""

    rgb: np.ndarray
    segments: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class Fixture:
    """A link that never moves, and the colour it has now."""

    uid: int
    link: int
    rgba: tuple[float, ...]


def whole_static_picture(client: Client) -> Picture:
    """Everything that is visible now, seen by the camera beside the table."""
    return _render(client, STATIC_PIXELS, _STATIC_VIEW, _STATIC_PROJECTION)


def static_picture(client: Client, fixtures: Sequence[Fixture], backdrop: Picture) -> Picture:
    """The same picture for a third of the cost.

    TinyRenderer's cost is the pixels it shades, and most of them belong to things that never move: hide
    these `fixtures`, draw the rest, and let the nearer of this and the `backdrop` win at every pixel.
    """
    for fixture in fixtures:
        client.changeVisualShape(fixture.uid, fixture.link, rgbaColor=(*fixture.rgba[:3], 0.0))
    front = whole_static_picture(client)
    for fixture in fixtures:
        client.changeVisualShape(fixture.uid, fixture.link, rgbaColor=fixture.rgba)
    is_front = (front.segments >= 0) & (front.depth <= backdrop.depth)
    return Picture(
        np.where(is_front[:, :, None], front.rgb, backdrop.rgb),
        np.where(is_front, front.segments, backdrop.segments),
        np.where(is_front, front.depth, backdrop.depth),
    )


def gripper_picture(client: Client, robot_uid: int, camera_link: int) -> Picture:
    """What the camera in the hand sees."""
    eye, quaternion = client.getLinkState(robot_uid, camera_link)[:2]
    rotation = np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
    view = pybullet.computeViewMatrix(
        eye, (np.array(eye) + rotation[:, 1]).tolist(), (-rotation[:, 2]).tolist()
    )
    return _render(client, GRIPPER_PIXELS, view, _GRIPPER_PROJECTION)


def segment_ids(uid: int, links: list[int]) -> list[int]:
    """The values that these links of a body have in `Picture.segments`."""
    return [uid + ((link + 1) << 24) for link in links]


def box_of(segments: np.ndarray, ids: list[int]) -> PixelBox | None:
    """Smallest box around the pixels of the given segments, or None where there are none."""
    mask = segments == ids[0]
    for other in ids[1:]:
        mask |= segments == other
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _render(client: Client, pixels: int, view: list[float], projection: list[float]) -> Picture:
    _, _, rgba, depth, segments = client.getCameraImage(
        pixels,
        pixels,
        viewMatrix=view,
        projectionMatrix=projection,
        renderer=pybullet.ER_TINY_RENDERER,
        flags=pybullet.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX,
    )
    shape = (pixels, pixels)
    rgb = np.ascontiguousarray(np.reshape(rgba, (*shape, 4))[:, :, :3], dtype=np.uint8)
    return Picture(rgb, np.reshape(segments, shape), np.reshape(depth, shape))
