"""Which links a camera cannot see at all: boxes around their shapes against the camera's frustum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from errors import InvalidInput
from simulators.playtable import meshes
from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.tiny.matrices import rotations
from simulators.playtable.visuals import Part

#: Links are drawn where they were one physics step before: at 2 m/s that is 8 mm.
_MARGIN_METRES = 0.01
_UNIT_CORNERS = np.array(list(product((-1.0, 1.0), repeat=3)))


class Bounds:
    """Boxes around the visual shapes of some parts of a loaded world, in their link's frame.

    They belong to the files, not to the world's state: one object serves until other files are loaded.
    """

    def __init__(self, corners: Mapping[Part, np.ndarray], parts: Iterable[Part]) -> None:
        """corners: see `corners_of`. `parts` are links, or bases whose centre of mass is their origin. Raises
        InvalidInput for a part whose shapes have no corners that are known."""
        self.parts = tuple(sorted(parts))
        lacking = [part for part in self.parts if part not in corners]
        if lacking:
            raise InvalidInput(f"a visual shape of body {lacking[0][0]} is neither a mesh nor a box")
        self._corners = np.stack([_around(corners[part]) for part in self.parts])
        self._links: dict[int, list[int]] = {}
        for uid, link in self.parts:
            self._links.setdefault(uid, []).append(link)

    def unseen(self, client: Client, view: tuple[float, ...], projection: tuple[float, ...]) -> set[Part]:
        """The parts whose boxes lie outside the frustum of these OpenGL matrices."""
        frames = [frame for uid, links in self._links.items() for frame in _frames(client, uid, links)]
        places, quaternions = (np.array(v) for v in zip(*frames))
        points = self._corners @ rotations(quaternions).transpose(0, 2, 1) + places[:, None]
        # OpenGL's matrices are stored by columns: row vectors multiply from the left.
        to_clip = _matrix(view) @ _matrix(projection)
        clip = points @ to_clip[:3] + to_clip[3]
        xyz, w = clip[..., :3], clip[..., 3:]
        # Outside: all corners beyond the same one of the six planes.
        beyond: np.ndarray = np.all(np.concatenate([xyz > w, xyz < -w], axis=2), axis=1)
        return {part for part, is_out in zip(self.parts, np.any(beyond, axis=1)) if is_out}


def corners_of(client: Client) -> dict[Part, np.ndarray]:
    """Corners (n, 3) of boxes around the visual shapes of a loaded world's parts, in their link's frame; parts with
    shapes that are neither meshes nor boxes are left out."""
    found: dict[Part, list[np.ndarray]] = {}
    others: set[Part] = set()
    for uid in range(client.getNumBodies()):
        for shape in client.getVisualShapeData(uid):
            part = uid, shape[1]
            if shape[2] in (pybullet.GEOM_MESH, pybullet.GEOM_BOX):
                found.setdefault(part, []).append(_shape_corners(shape))
            else:
                others.add(part)
    return {part: np.concatenate(corners) for part, corners in found.items() if part not in others}


def _shape_corners(shape: tuple[Any, ...]) -> np.ndarray:
    """Corners (n, 3) of one entry of getVisualShapeData, in the link's frame."""
    kind, dimensions, file, position, quaternion = shape[2:7]
    if kind == pybullet.GEOM_MESH:
        low, high = meshes.extent(Path(file.decode()))
        corners = _box((low + high) / 2, (high - low) / 2) * np.array(dimensions)
    else:
        corners = _box(np.zeros(3), np.array(dimensions) / 2)
    rotation = np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
    return corners @ rotation.T + np.array(position)


def _around(corners: np.ndarray) -> np.ndarray:
    low, high = corners.min(axis=0), corners.max(axis=0)
    return _box((low + high) / 2, (high - low) / 2 + _MARGIN_METRES)


def _box(centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    return centre + _UNIT_CORNERS * half


def _frames(client: Client, uid: int, links: list[int]) -> list[tuple[Any, ...]]:
    """Position and quaternion of some of a body's links in the world, in their order; the base is the first."""
    base = [client.getBasePositionAndOrientation(uid)] if links[0] < 0 else []
    others = links[len(base) :]
    return base + ([state[4:6] for state in client.getLinkStates(uid, others)] if others else [])


def _matrix(columns: tuple[float, ...]) -> np.ndarray:
    return np.array(columns).reshape(4, 4)
