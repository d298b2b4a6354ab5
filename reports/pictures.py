"""Photographs of a report as PNG: with boxes, under a map of attention, side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

#: Of boxes.
YELLOW, ORANGE, WHITE = (255, 230, 0), (255, 120, 0), (255, 255, 255)

#: Pictures are enlarged to at least this wide, in whole steps: pixels stay pixels.
_WIDTH_PX = 216
_HEAT = "inferno"

#: Equal shares of the attention from which on a patch is drawn brightest.
BRIGHT_SHARES = 8


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def boxed_png(image: Picture, *boxes: tuple[Box | None, Colour]) -> bytes:
    """The picture (H, W, 3), enlarged, with boxes in its pixels drawn on it, the last on top; None: no box."""
    return _png(_framed(image, boxes))


def heat_png(image: Picture, weights: NDArray[np.floating], *boxes: tuple[Box | None, Colour]) -> bytes:
    """The picture under a map (grid, grid) of how much attention its patches get, on one scale for all of them.

    Grey where a patch gets no more than its equal share of the attention, brightest from `BRIGHT_SHARES` equal
    shares on: a model that looks everywhere alike leaves a grey picture.
    """
    weights = np.asarray(weights, dtype=np.float64)
    shares = weights * weights.size / max(weights.sum(), np.finfo(float).tiny)
    strength = np.clip(np.log2(np.maximum(shares, 1.0)) / np.log2(BRIGHT_SHARES), 0.0, 1.0)
    height, width = image.shape[:2]
    level = Image.fromarray((strength * 255).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    heat = Image.fromarray((colormaps[_HEAT](np.asarray(level))[..., :3] * 255).astype(np.uint8))
    grey = Image.fromarray(np.ascontiguousarray(image)).convert("L").convert("RGB")
    mixed = Image.composite(heat, grey, level.point(lambda value: value * 7 // 8))
    return _png(_framed(np.asarray(mixed), boxes))


def side_by_side_png(*images: Picture) -> bytes:
    """Pictures of one height, enlarged."""
    return _png(_enlarged(np.hstack(images)))


def _framed(image: Picture, boxes: Sequence[tuple[Box | None, Colour]]) -> Image.Image:
    picture = _enlarged(image)
    for box, colour in boxes:
        _outline(picture, image.shape[1], box, colour)
    return picture


def _enlarged(image: Picture) -> Image.Image:
    height, width = image.shape[:2]
    scale = max(1, -(-_WIDTH_PX // width))
    picture = Image.fromarray(np.ascontiguousarray(image))
    return picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)


def _outline(picture: Image.Image, width: int, box: Box | None, colour: Colour) -> None:
    """Draw a box, given in pixels of the picture as it was when it was `width` wide, around its inside."""
    if box is None:
        return
    scale = picture.width // width
    x0, y0, x1, y1 = (scale * edge for edge in box)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((x0 - 4, y0 - 4, x1 + 3, y1 + 3), outline=(0, 0, 0), width=1)
    draw.rectangle((x0 - 3, y0 - 3, x1 + 2, y1 + 2), outline=colour, width=3)  # thumbnails are shrunk


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")  # optimize takes eight times as long for 3 % of the bytes
    return stream.getvalue()
