"""Pictures to look through: frames of a demonstration with the region found and the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from detectors.base import Box, Detection, NoTarget

#: Frames on a sheet at most; frames in a row; enlargement of a frame.
MOST_FRAMES, COLUMNS, SCALE = 24, 6, 2
_CAPTION_PIXELS, _TITLE_PIXELS = 14, 18
_TRUSTED, _DOUBTFUL, _TRUE = (0, 230, 0), (255, 170, 0), (255, 255, 255)
_PAPER, _INK, _ALARM = (24, 24, 24), (235, 235, 235), (255, 70, 70)


@dataclass(frozen=True)
class Shot:
    """One frame (H, W, 3) uint8 with what was found, the true box where known, and the verdict on it.

    `failed`: of the frames that a person should see, when not all fit.
    """

    image: NDArray[np.uint8]
    result: Detection | NoTarget
    truth: Box | None
    outcome: str
    frame: int
    failed: bool = False


def shown_places(failed: Sequence[bool]) -> list[int]:
    """Which of these frames a sheet shows, in order of time: all, or those that failed and others between them."""
    places = np.arange(len(failed))
    wrong = _spread(places[np.array(failed, dtype=bool)], MOST_FRAMES)
    return sorted([*wrong, *_spread(np.setdiff1d(places, wrong), MOST_FRAMES - len(wrong))])


def _spread(places: NDArray[np.int_], most: int) -> list[int]:
    """At most so many of them, evenly spaced."""
    chosen = np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)
    return [int(place) for place in places[chosen]]


def contact_sheet(shots: Sequence[Shot], title: str) -> Image.Image:
    """A grid of frames. Green: a trusted region; orange: a doubtful one; white: the true box; red words: it failed."""
    places = shown_places([shot.failed for shot in shots])
    height, width = shots[0].image.shape[:2]
    cell_width, cell_height = width * SCALE, height * SCALE + _CAPTION_PIXELS
    columns = min(COLUMNS, len(places))
    rows = -(-len(places) // columns)
    sheet = Image.new("RGB", (columns * cell_width, _TITLE_PIXELS + rows * cell_height), _PAPER)
    shown = f"{len(places)} of {len(shots)} frames"
    ImageDraw.Draw(sheet).text((4, 3), f"{title} ({shown})", fill=_INK)
    for cell, place in enumerate(places):
        x, y = cell % columns * cell_width, _TITLE_PIXELS + cell // columns * cell_height
        sheet.paste(_cell(shots[place], cell_width, cell_height), (x, y))
    return sheet


def _cell(shot: Shot, width: int, height: int) -> Image.Image:
    cell = Image.new("RGB", (width, height), _PAPER)
    frame = Image.fromarray(shot.image)
    cell.paste(frame.resize((width, height - _CAPTION_PIXELS), Image.Resampling.NEAREST), (0, 0))
    draw = ImageDraw.Draw(cell)
    if shot.truth is not None:
        _outline(draw, shot.truth, _TRUE)
    note = f"{shot.frame} {shot.outcome}"
    if isinstance(shot.result, Detection):
        _outline(draw, shot.result.box, _TRUSTED if shot.result.is_trusted else _DOUBTFUL)
        note += f" {shot.result.score:.2f} {shot.result.source.value}"
    draw.text((3, height - _CAPTION_PIXELS + 1), note, fill=_ALARM if shot.failed else _INK)
    return cell


def _outline(draw: ImageDraw.ImageDraw, box: Box, colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = (edge * SCALE for edge in box)
    draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=1)
