"""True boxes of the table's parts in the static picture, from its segments and depth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark.cameras import Lens
from simulators.base import PixelBox
from simulators.playtable.pictures import Picture
from simulators.playtable.scene import Beyond, Shown
from simulators.playtable.visuals import Part


def segment_of(part: Part) -> int:
    """The value that the pixels of a part have in `Picture.segments`."""
    uid, link = part
    return uid + ((link + 1) << 24)


def visible_mask(
    picture: Picture,
    parts: list[Part],
    beyond: Beyond | None,
    scene_obs: np.ndarray,
    view: tuple[float, ...],
    lens: Lens,
) -> np.ndarray:
    """(H, W) bool: where `parts` show, or the side of them that lies `beyond` a plane.

    view and lens are those of the picture; scene_obs says where the joints are.
    """
    mask = np.isin(picture.segments, [segment_of(part) for part in parts])
    if beyond is not None and mask.any():
        rows, columns = np.nonzero(mask)
        points = _points(picture, rows, columns, view, lens)
        moved = 0.0 if beyond.joint is None else float(scene_obs[beyond.joint])
        mask[rows, columns] = points @ np.array(beyond.normal) > beyond.metres + moved
    return mask


def parts_of(shown: Shown, table: int, links: Mapping[str, int], blocks: Mapping[str, int]) -> list[Part]:
    """The parts that make a true box, in a loaded world."""
    if shown.body == "table":
        return [(table, links[name]) for name in shown.links]
    return [(blocks[shown.body], -1)]


def box_around(mask: np.ndarray) -> PixelBox | None:
    """Smallest box around the pixels that are set, or None where there are none."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _points(
    picture: Picture, rows: np.ndarray, columns: np.ndarray, view: tuple[float, ...], lens: Lens
) -> np.ndarray:
    """World points (n, 3) in m that these pixels show."""
    depth = picture.depth[rows, columns].astype(np.float64)
    distance = lens.far * lens.near / (lens.far - (lens.far - lens.near) * depth)
    slope = np.tan(np.radians(lens.fov_degrees) / 2)
    x = (2 * (columns + 0.5) / lens.pixels - 1) * slope * distance
    y = (1 - 2 * (rows + 0.5) / lens.pixels) * slope * distance
    to_camera = np.array(view).reshape(4, 4).T
    return (np.stack([x, y, -distance], axis=1) - to_camera[:3, 3]) @ to_camera[:3, :3]
