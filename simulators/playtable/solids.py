"""Convex solids from which every visible and collidable thing of the table is made.

A solid knows its own triangles (for drawing) and whether the physics engine has a primitive for it.
Lengths are metres, angles radians, poses are relative to the link that carries the solid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """Translation and roll, pitch, yaw in URDF's convention: R = Rz(yaw) Ry(pitch) Rx(roll)."""

    xyz: Vector = (0.0, 0.0, 0.0)
    rpy: Vector = (0.0, 0.0, 0.0)

    def matrix(self) -> np.ndarray:
        """Rotation matrix, (3, 3)."""
        (cr, cp, cy), (sr, sp, sy) = (tuple(map(f, self.rpy)) for f in (math.cos, math.sin))
        return np.array(
            [
                [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                [-sp, cp * sr, cp * cr],
            ]
        )


#: Turns a Prism so that its profile lies in the (y, z) plane and it is extruded along x.
ALONG_X: Vector = (math.pi / 2, 0.0, math.pi / 2)


@dataclass(frozen=True)
class Box:
    """`size` is the full extent along the three axes, centred on the pose."""

    size: Vector
    pose: Pose = field(default_factory=Pose)
    collides: bool = True


@dataclass(frozen=True)
class Prism:
    """A convex polygon (counter-clockwise, in local x and y) extruded along local z, centred."""

    profile: tuple[tuple[float, float], ...]
    length: float
    pose: Pose = field(default_factory=Pose)
    collides: bool = True


@dataclass(frozen=True)
class Cylinder:
    """Axis along local z, centred."""

    radius: float
    length: float
    pose: Pose = field(default_factory=Pose)
    collides: bool = True


@dataclass(frozen=True)
class Sphere:
    radius: float
    pose: Pose = field(default_factory=Pose)
    collides: bool = True


Solid = Box | Prism | Cylinder | Sphere


@dataclass(frozen=True)
class Facet:
    """One flat convex polygon with counter-clockwise corners (n, 3), unit normals (n, 3), uv (n, 2) in m."""

    corners: np.ndarray
    normals: np.ndarray
    uv: np.ndarray


def between(low: Vector, high: Vector, collides: bool = True) -> Box:
    """The box that spans two opposite corners."""
    centre = (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2
    size = high[0] - low[0], high[1] - low[1], high[2] - low[2]
    return Box(size, Pose(centre), collides)


def facets(solid: Solid) -> Iterator[Facet]:
    """The surface of a solid in the frame of its link."""
    rotation, shift = solid.pose.matrix(), np.array(solid.pose.xyz)
    for corners, normals in _local_facets(solid):
        yield Facet(corners @ rotation.T + shift, normals @ rotation.T, _planar_uv(corners, normals))


def _local_facets(solid: Solid) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if isinstance(solid, Box):
        x, y = solid.size[0] / 2, solid.size[1] / 2
        yield from _extruded(np.array([(-x, -y), (x, -y), (x, y), (-x, y)]), solid.size[2], round_side=False)
    elif isinstance(solid, Prism):
        yield from _extruded(np.array(solid.profile), solid.length, round_side=False)
    elif isinstance(solid, Cylinder):
        yield from _extruded(solid.radius * _circle(16), solid.length, round_side=True)
    else:
        yield from _sphere(solid.radius, rings=8, sectors=12)


def _circle(n: int) -> np.ndarray:
    angles = np.arange(n) * (2 * math.pi / n)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _extruded(
    profile: np.ndarray, length: float, round_side: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    n = len(profile)
    low = np.column_stack([profile, np.full(n, -length / 2)])
    high = np.column_stack([profile, np.full(n, length / 2)])
    yield high, np.tile([0.0, 0.0, 1.0], (n, 1))
    yield low[::-1], np.tile([0.0, 0.0, -1.0], (n, 1))
    for i in range(n):
        j = (i + 1) % n
        corners = np.stack([low[i], low[j], high[j], high[i]])
        if round_side:
            normals = corners * [1.0, 1.0, 0.0]
        else:
            edge = profile[j] - profile[i]
            normals = np.tile([edge[1], -edge[0], 0.0], (4, 1))
        yield corners, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _sphere(radius: float, rings: int, sectors: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    def point(ring: int, sector: int) -> np.ndarray:
        polar, azimuth = math.pi * ring / rings, 2 * math.pi * sector / sectors
        across = math.sin(polar)
        return np.array([across * math.cos(azimuth), across * math.sin(azimuth), math.cos(polar)])

    for ring in range(rings):
        for sector in range(sectors):
            quad = [(ring, sector), (ring + 1, sector), (ring + 1, sector + 1), (ring, sector + 1)]
            if ring == 0:
                quad.pop(3)
            elif ring == rings - 1:
                quad.pop(2)
            normals = np.stack([point(*rs) for rs in quad])
            yield radius * normals, normals


def _planar_uv(corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Surface coordinates in m, by projecting along the dominant axis; u runs along the longer side."""
    kept = [axis for axis in range(3) if axis != int(np.abs(normals.sum(axis=0)).argmax())]
    kept.sort(key=lambda axis: -float(np.ptp(corners[:, axis])))
    return corners[:, kept]
