"""Which of CALVIN's scenes a static picture shows, by what never moves in it: the table's top, legs and fixed doors.

`scene_pictures.png` has one small picture of each scene, 50 x 50, as each of PyBullet's two renderers draws it: medians
of many pictures with everything that moves at random. Where those differ among themselves it is transparent. A picture
shows the scene that it equals almost everywhere there, and that no other one comes near to; any other shows none that
is known. `benchmarks/scene_pictures.py` made it, and counts how often it is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.cameras import EGL, TINY
from benchmark.tasks import SCENES

FILE = Path(__file__).with_name("scene_pictures.png")
#: The references, from the top of the file down.
DRAWN = tuple((scene, renderer) for renderer in (EGL, TINY) for scene in SCENES)
#: Pixels a side of a reference; each is the mean of 4 x 4 of a frame.
SIZE, _SQUARE = 50, 4
#: Grey levels up to which a colour is the same: codecs change means of 4 x 4 by less.
SAME_LEVELS = 12
#: Of the fixed places, how many have to be the same, and how many more than in any other scene. The arm hides up to a
#: third.
_LEAST, _AHEAD = 0.65, 0.15


@dataclass(frozen=True)
class Sighting:
    """scene: None where it is none that is known. renderer: as which of the two it is drawn. alike: of the places that
    never change in that scene, the share that is the same; other: in the scene that comes next.
    """

    scene: str | None
    renderer: str | None
    alike: float
    other: float


def sighting(picture: np.ndarray) -> Sighting:
    """picture: rgb_static, uint8 (200, 200, 3)."""
    colours, fixed = _references()
    apart = np.abs(colours - coarse(picture)).max(axis=3)
    shares = ((apart <= SAME_LEVELS) & fixed).sum(axis=(1, 2)) / fixed.sum(axis=(1, 2))
    best = int(np.argmax(shares))
    scene, renderer = DRAWN[best]
    alike = float(shares[best])
    other = max(float(share) for share, (name, _) in zip(shares, DRAWN) if name != scene)
    if alike < _LEAST or alike - other < _AHEAD:
        return Sighting(None, None, alike, other)
    return Sighting(scene, renderer, alike, other)


def coarse(picture: np.ndarray) -> np.ndarray:
    """Means of 4 x 4 pixels, int16 (50, 50, 3)."""
    return np.asarray(Image.fromarray(picture).reduce(_SQUARE), dtype=np.int16)


@lru_cache(maxsize=1)
def _references() -> tuple[np.ndarray, np.ndarray]:
    """Colours, int16 (8, 50, 50, 3), and where they never change, bool (8, 50, 50)."""
    with Image.open(FILE) as picture:
        pixels = np.asarray(picture.convert("RGBA")).reshape(len(DRAWN), SIZE, SIZE, 4)
    return pixels[..., :3].astype(np.int16), pixels[..., 3] > 0
