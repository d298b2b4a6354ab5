"""Which links a camera cannot see at all: boxes around their shapes against the camera's frustum."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pybullet

from errors import InvalidInput
from simulators.playtable import meshes
from simulators.playtable.client import Client
from simulators.playtable.visuals import Part

#: Links are drawn where they were one physics step before: at 2 m/s that is 8 mm.
_MARGIN_METRES = 0.01
_UNIT_CORNERS = np.array(list(product((-1.0, 1.0), repeat=3)))


class Bounds:
    """Boxes around the visual shapes of some parts of a loaded world, in their link's frame.

    They belong to the files, not to the world's state: one object serves until other files are loaded.
    """

    def __init__(self, client: Client, parts: Iterable[Part]) -> None:
        """`parts` are links, or bases whose centre of mass is their origin."""
        boxes: dict[Part, list[np.ndarray]] = {part: [] for part in parts}
        for uid in {uid for uid, _ in boxes}:
            for shape in client.getVisualShapeData(uid):
                if (uid, shape[1]) in boxes:
                    boxes[uid, shape[1]].append(_shape_corners(shape))
        self.parts = tuple(boxes)
        self._corners = np.stack([_around(np.concatenate(corners)) for corners in boxes.values()])

    def unseen(self, client: Client, view: tuple[float, ...], projection: tuple[float, ...]) -> set[Part]:
        """The parts whose boxes lie outside the frustum of these OpenGL matrices."""
        places, quaternions = zip(*(_frame(client, part) for part in self.parts))
        rotations = np.array([pybullet.getMatrixFromQuaternion(q) for q in quaternions]).reshape(-1, 3, 3)
        points = self._corners @ rotations.transpose(0, 2, 1) + np.array(places)[:, None]
        # OpenGL's matrices are stored by columns: row vectors multiply from the left.
        to_clip = _matrix(view) @ _matrix(projection)
        clip = points @ to_clip[:3] + to_clip[3]
        xyz, w = clip[..., :3], clip[..., 3:]
        # Outside: all corners beyond the same one of the six planes.
        beyond: np.ndarray = np.all(np.concatenate([xyz > w, xyz < -w], axis=2), axis=1)
        return {part for part, is_out in zip(self.parts, np.any(beyond, axis=1)) if is_out}


def _shape_corners(shape: tuple[Any, ...]) -> np.ndarray:
    """Corners (n, 3) of one entry of getVisualShapeData, in the link's frame."""
    kind, dimensions, file, position, quaternion = shape[2:7]
    if kind == pybullet.GEOM_MESH:
        low, high = meshes.extent(Path(file.decode()))
        corners = _box((low + high) / 2, (high - low) / 2) * np.array(dimensions)
    elif kind == pybullet.GEOM_BOX:
        corners = _box(np.zeros(3), np.array(dimensions) / 2)
    else:
        raise InvalidInput(f"a visual shape of PyBullet's kind {kind} is neither a mesh nor a box")
    rotation = np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
    return corners @ rotation.T + np.array(position)


def _around(corners: np.ndarray) -> np.ndarray:
    low, high = corners.min(axis=0), corners.max(axis=0)
    return _box((low + high) / 2, (high - low) / 2 + _MARGIN_METRES)


def _box(centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    return centre + _UNIT_CORNERS * half


def _frame(client: Client, part: Part) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Position and quaternion of the part's link in the world."""
    uid, link = part
    if link < 0:
        position, quaternion = client.getBasePositionAndOrientation(uid)
    else:
        position, quaternion = client.getLinkState(uid, link)[4:6]
    return position, quaternion


def _matrix(columns: tuple[float, ...]) -> np.ndarray:
    return np.array(columns).reshape(4, 4)
