"""A scene's visual shapes, as arrays: what TinyRenderer keeps of a loaded world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.tiny.batches import Batch, batch_of
from simulators.playtable.tiny.matrices import Doubles, Floats, Ints, rotations
from simulators.playtable.tiny.pedestal import SIZE, pedestal
from simulators.playtable.tiny.shading import normalized
from simulators.playtable.tiny.soup import Soup, of_box, of_mesh
from simulators.playtable.visuals import Part

#: Of shapes with more triangles most are not looked at one by one.
_MANY = 1500
#: Normals after the first, the second and the third drawing; from then on those of the second and third alternate.
_ROUNDS = 3


@dataclass(frozen=True)
class Models:
    """All shapes in the order of drawing. Per shape: its part, and its image (h, w), four bytes a texel and the
    lowest row first, or None.
    Per triangle of all shapes in one row: whose it is, `normals` (rounds, n, 3, 3), `uv` (n, 6). `uses` (2, n, 3):
    how often a corner's normal is used in a drawing, and which of these a triangle's is; None where always once."""

    parts: tuple[Part, ...]
    images: tuple[NDArray[np.uint32] | None, ...]
    batches: tuple[Batch, ...]
    owners: Ints
    normals: Floats
    uv: Floats
    uses: dict[int, Ints]


#: A visual shape: PyBullet's entry for it, and where the centre of mass is in its link's frame.
Told = tuple[tuple[Any, ...], tuple[Any, ...]]


def told_of(client: Client) -> list[Told]:
    """All visual shapes of a loaded world, in the order of drawing."""
    entries = [entry for uid in range(client.getNumBodies()) for entry in client.getVisualShapeData(uid)]
    return [(entry, client.getDynamicsInfo(*entry[:2])[3:5]) for entry in entries]


def models_of(told: Sequence[Told]) -> Models:
    """Of visual shapes, whose files are read. Raises ValueError for a kind that is drawn in ways not known here."""
    soups = [_placed(entry, inertial) for entry, inertial in told]
    images = {file: _image(file) for file in {soup.texture for soup in soups} if file}
    counts = [len(soup.corners) for soup in soups]
    firsts = [sum(counts[:place]) for place in range(len(counts))]
    many = [place for place, count in enumerate(counts) if count > _MANY]
    groups = many, [place for place in range(len(soups)) if place not in many]
    rounds = [normalized(np.concatenate([soup.normals for soup in soups]))]
    for _ in range(_ROUNDS - 1):
        rounds.append(normalized(rounds[-1]))
    return Models(
        tuple((entry[0], entry[1]) for entry, _ in told),
        tuple(images[soup.texture] if soup.texture else None for soup in soups),
        tuple(
            batch_of(
                group, [soups[place].corners for place in group], [firsts[place] for place in group], are_many
            )
            for group, are_many in zip(groups, (True, False))
            if group
        ),
        np.repeat(np.arange(len(soups)), counts),
        np.stack(rounds),
        np.concatenate([soup.uv for soup in soups]).reshape(-1, 6),
        {place: _uses(soup.shared) for place, soup in enumerate(soups) if soup.shared is not None},
    )


def _soup(entry: Sequence[Any]) -> Soup:
    kind, dimensions, file = entry[2:5]
    if kind == pybullet.GEOM_BOX:
        return of_box(dimensions)
    if kind == pybullet.GEOM_CYLINDER and tuple(dimensions[:2]) == SIZE:
        return pedestal()
    if kind != pybullet.GEOM_MESH:
        raise ValueError(f"a visual shape of PyBullet's kind {kind}, {dimensions}")
    soup = of_mesh(Path(file.decode()))
    scaled = (soup.corners.astype(np.float64) * np.array(dimensions)).astype(np.float32)
    return Soup(scaled, soup.normals, soup.uv, soup.texture)


def _placed(entry: Sequence[Any], inertial: Sequence[Any]) -> Soup:
    """A shape's triangles in the frame of its link's centre of mass."""
    soup = _soup(entry)
    basis, child = rotations(np.array([inertial[1], entry[6]]))
    back = basis.T
    total = np.stack([_turned(child.T, row) for row in back])
    offset = _turned(back, np.array(entry[5])) + _turned(back, -np.array(inertial[0]))
    corners = _turned(total, soup.corners.astype(np.float64)) + offset
    normals = _turned(total, soup.normals.astype(np.float64))
    return Soup(corners.astype(np.float32), normals.astype(np.float32), soup.uv, soup.texture, soup.shared)


def _turned(basis: Doubles, points: Doubles) -> Doubles:
    """Points (..., 3) by a matrix, summed from the first term to the last."""
    x, y, z = (points[..., k] for k in range(3))
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in basis], axis=-1)


def _uses(shared: Ints) -> Ints:
    """(2, n, 3) of the numbers of corners (n, 3)."""
    flat = shared.ravel()
    totals = np.bincount(flat)
    order = np.argsort(flat, kind="stable")
    turn = np.empty(len(flat), np.intp)
    turn[order] = np.arange(len(flat)) - np.repeat(np.cumsum(totals) - totals, totals)
    return np.stack([totals[flat], turn + 1]).reshape(2, *shared.shape)


def _image(file: Path) -> NDArray[np.uint32]:
    with Image.open(file) as image:
        if image.format != "PNG" or image.mode not in ("RGB", "RGBA"):
            raise ValueError(f"{file} is {image.format} in {image.mode}")
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGBA"))[::-1])
    return pixels.view(np.uint32)[:, :, 0]
