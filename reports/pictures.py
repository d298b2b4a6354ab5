"""Photographs of the report as PNG: gaze regions, attention maps, reconstructions."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reports.data import AttentionPanel, GazeExample, Reconstruction

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]

#: Pictures are enlarged to at least this wide, in whole steps: pixels stay pixels.
_WIDTH_PX = 216
_BOX_COLOUR = (255, 230, 0)
_HEAT = "inferno"

#: Equal shares of the attention from which on a patch is drawn brightest.
BRIGHT_SHARES = 8


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def overlay_png(example: GazeExample) -> bytes:
    """The frame, enlarged, with the gaze region drawn on it."""
    return _png(_framed(example.image, example.box))


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
    height, width = image.shape[:2]
    scale = max(1, -(-_WIDTH_PX // width))
    picture = Image.fromarray(np.ascontiguousarray(image)).resize(
        (width * scale, height * scale), Image.Resampling.NEAREST
    )
    if box is not None:
        x0, y0, x1, y1 = (scale * edge for edge in box)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((x0 - 2, y0 - 2, x1 + 1, y1 + 1), outline=(0, 0, 0), width=3)
        draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=_BOX_COLOUR, width=1)
    return picture


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
