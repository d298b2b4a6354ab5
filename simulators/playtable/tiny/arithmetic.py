"""Whether NumPy computes here as TinyRenderer was compiled to: compilers for some processors join operations."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmark.cameras import Lens
from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.pictures import Picture, picture_of, projection, render
from simulators.playtable.tiny.drawing import Drawing
from simulators.playtable.tiny.matrices import model_matrices
from simulators.playtable.tiny.models import models_of, told_of

_SIDE = 96


@lru_cache(maxsize=1)
def is_tiny_renderers() -> bool:
    """Tried once, with two turned boxes that fill a small picture: colours, segments and depth, bit for bit."""
    client = Client()
    try:
        for k, turn in enumerate(((0.3, 0.5, 0.7), (1.1, 0.2, -0.4))):
            shape = client.createVisualShape(
                pybullet.GEOM_BOX, halfExtents=[0.31, 0.17, 0.23], rgbaColor=[0.9, 0.7, 0.4, 1]
            )
            client.createMultiBody(
                baseVisualShapeIndex=shape,
                basePosition=[0.13 * k, -0.21 * k, 0.11],
                baseOrientation=pybullet.getQuaternionFromEuler(turn),
            )
        view = pybullet.computeViewMatrix([0.71, 0.63, 0.57], [0, 0, 0], [0, 0, 1])
        lens = projection(Lens(pixels=_SIDE, fov_degrees=60, near=0.1, far=5))
        theirs = render(client, _SIDE, view, lens, pybullet.ER_TINY_RENDERER)
        return _same(theirs, _ours(client, view, lens))
    finally:
        client.close()


def _ours(client: Client, view: tuple[float, ...], lens: tuple[float, ...]) -> Picture:
    drawing = Drawing(models_of(told_of(client)))
    frames = [client.getBasePositionAndOrientation(uid) for uid in range(client.getNumBodies())]
    places = model_matrices(*(np.array(values) for values in zip(*frames)))
    tints = {(uid, -1): ((0.9, 0.7, 0.4, 1.0),) for uid in range(len(frames))}
    layer = drawing.layer(frozenset(), tints, places, _SIDE, view, lens)
    return picture_of(layer, _SIDE, drawing.nothing(lens))


def _same(a: Picture, b: Picture) -> bool:
    return all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ("rgb", "segments", "depth")
    )
