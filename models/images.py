"""Camera pictures to model input: static view over gripper view on one canvas (official `calvin_json.py`)."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from errors import InvalidInput

Picture = NDArray[np.uint8]

#: Side of the canvas in px.
CANVAS = 334
#: Rows of the static view: 14 of the 27 rows of so400m's patches. (The official server used 167.)
STATIC_ROWS = CANVAS * 14 // 27


def compose(upper: Picture, lower: Picture, upper_rows: int = STATIC_ROWS) -> Picture:
    """(334, 334, 3): `upper` stretched over the first `upper_rows` rows, `lower` over the rest, by Lanczos.

    The model's input is `compose(static, gripper)`, the reconstruction target `compose(gaze crop, gripper)`.
    Raises InvalidInput for pictures that are not (height, width, 3) uint8.
    """
    canvas = np.empty((CANVAS, CANVAS, 3), dtype=np.uint8)
    canvas[:upper_rows] = _resized(upper, CANVAS, upper_rows, Image.Resampling.LANCZOS)
    canvas[upper_rows:] = _resized(lower, CANVAS, CANVAS - upper_rows, Image.Resampling.LANCZOS)
    return canvas


def narrowed(view: Picture, rows: int, image_size: int, resample: str = "bicubic") -> Picture:
    """(rows, image_size, 3): a view as it lies on the canvas, whose width was brought to a model's size already.

    A width is changed row by row, so views that several pictures show are narrowed once for all of them.
    """
    _check(view)
    wide = Image.fromarray(view).resize((CANVAS, view.shape[0]), Image.Resampling.LANCZOS)
    high = wide.resize((CANVAS, rows), Image.Resampling.LANCZOS)
    return np.asarray(high.resize((image_size, rows), Image.Resampling[resample.upper()]), dtype=np.uint8)


def stacked(upper: Picture, lower: Picture, resample: str = "bicubic") -> Picture:
    """What `to_model_size` gives of a composed canvas, of both its views as `narrowed` gives them."""
    size = upper.shape[1]
    narrow = Image.fromarray(np.concatenate([upper, lower]))
    return np.asarray(narrow.resize((size, size), Image.Resampling[resample.upper()]), dtype=np.uint8)


def through_jpeg(picture: Picture) -> Picture:
    """`picture` as a JPEG of Pillow's own quality (75) brings it back: so the official builder stores pictures."""
    file = BytesIO()
    Image.fromarray(picture).save(file, format="JPEG")
    return np.asarray(Image.open(file), dtype=np.uint8)


def to_model_size(picture: Picture, image_size: int, resample: str = "bicubic") -> Picture:
    """(image_size, image_size, 3) by one of `part_configs.RESAMPLINGS`; SigLIP's processor takes bicubic."""
    return _resized(picture, image_size, image_size, Image.Resampling[resample.upper()])


def _resized(picture: Picture, width: int, height: int, how: Image.Resampling) -> Picture:
    """Width first, then height, rounded in between.

    So were the official pictures made (Pillow 10.4); Pillow 13, left to itself, rounds otherwise.
    """
    _check(picture)
    wide = Image.fromarray(picture).resize((width, picture.shape[0]), how)
    return np.asarray(wide.resize((width, height), how), dtype=np.uint8)


def _check(picture: Picture) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise InvalidInput(
            f"picture must be (height, width, 3) uint8, got shape {picture.shape} of {picture.dtype}"
        )
