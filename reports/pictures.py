"""Photographs of the report as PNG: gaze regions, attention maps, reconstructions."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reports.data import AttentionPanel, Reconstruction
from reports.gaze_data import GazeExample

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]

#: Pictures are enlarged to at least this wide, in whole steps: pixels stay pixels.
_WIDTH_PX = 216
_BOX_COLOUR, _DOUBTFUL_COLOUR, _TRUE_COLOUR = (255, 230, 0), (255, 120, 0), (255, 255, 255)
_HEAT = "inferno"

#: Equal shares of the attention from which on a patch is drawn brightest.
BRIGHT_SHARES = 8


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def overlay_png(example: GazeExample) -> bytes:
    """The frame, enlarged, with the gaze region drawn on it, and beneath it the true box where it is known."""
    picture = _enlarged(example.image)
    _outline(picture, example.image.shape[1], example.true_box, _TRUE_COLOUR)
    colour = _BOX_COLOUR if example.trusted else _DOUBTFUL_COLOUR
    _outline(picture, example.image.shape[1], example.box, colour)
    return _png(picture)


def frame_png(panel: AttentionPanel) -> bytes:
    """The frame of an attention panel with its gaze region."""
    return _png(_framed(panel.image, panel.box))


def attention_png(panel: AttentionPanel, title: str) -> bytes:
    """The frame under one model's map, on one scale for all frames and models.

    Grey where a patch gets no more than its equal share of the attention, brightest from `BRIGHT_SHARES` equal
    shares on: a model that looks everywhere alike leaves a grey picture.
    """
    weights = np.asarray(panel.maps[title], dtype=np.float64)
    shares = weights * weights.size / max(weights.sum(), np.finfo(float).tiny)
    strength = np.clip(np.log2(np.maximum(shares, 1.0)) / np.log2(BRIGHT_SHARES), 0.0, 1.0)
    height, width = panel.image.shape[:2]
    level = Image.fromarray((strength * 255).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    heat = Image.fromarray((colormaps[_HEAT](np.asarray(level))[..., :3] * 255).astype(np.uint8))
    grey = Image.fromarray(np.ascontiguousarray(panel.image)).convert("L").convert("RGB")
    mixed = Image.composite(heat, grey, level.point(lambda value: value * 7 // 8))
    return _png(_framed(np.asarray(mixed), panel.box))


def reconstruction_png(pair: Reconstruction) -> bytes:
    """Truth, truth after the latents, and sample, side by side."""
    return _png(_framed(np.hstack([pair.truth, pair.encoded, pair.sample]), None))


def _framed(image: Picture, box: Box | None) -> Image.Image:
    picture = _enlarged(image)
    _outline(picture, image.shape[1], box, _BOX_COLOUR)
    return picture


def _enlarged(image: Picture) -> Image.Image:
    height, width = image.shape[:2]
    scale = max(1, -(-_WIDTH_PX // width))
    picture = Image.fromarray(np.ascontiguousarray(image))
    return picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)


def _outline(picture: Image.Image, width: int, box: Box | None, colour: tuple[int, int, int]) -> None:
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
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
