"""One picture of some demonstrations of a dataset: three frames of each, with number, task, scene and instruction.

Of a format whose episodes have numbers it is that one, as `data.validation_episodes` names it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmark.tasks import UNKNOWN_SCENE
from calvin.scenes import scene_seen
from calvin.split import Demonstration, Numbering, Split
from errors import DatasetError
from settings.shown import cut, one_line

#: Demonstrations of one split that are shown, at most.
MOST = 40
_ACROSS = 3
_SIDE, _GAP, _TEXT_HEIGHT, _HEAD = 130, 8, 62, 30
_FRAMES = 3
_PAPER, _INK, _FAINT, _HOLE = (255, 255, 255), (20, 20, 20), (100, 100, 100), (225, 225, 225)
_LINE_CHARACTERS, _LINES = 66, 2
_CELL_WIDTH, _CELL_HEIGHT = _FRAMES * _SIDE + _GAP, _SIDE + _TEXT_HEIGHT + _GAP


def contact_sheet(splits: Sequence[Split]) -> bytes:
    """A PNG. Of each split one demonstration of each task, and more where there is room, in their order. A frame that
    cannot be read is a grey square that says so.
    """
    chosen = [(split, _chosen(split)) for split in splits]
    rows = [-(-len(shown) // _ACROSS) for _, shown in chosen]
    height = sum(_HEAD + count * _CELL_HEIGHT for count in rows) + _GAP
    sheet = Image.new("RGB", (_ACROSS * (_CELL_WIDTH + _GAP) + _GAP, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for (split, shown), count in zip(chosen, rows):
        draw.text(
            (_GAP, top + 7), f"{split.split}: {len(shown)} of {len(split.demonstrations)}", _INK, _font(16)
        )
        for place, one in enumerate(shown):
            corner = (
                _GAP + place % _ACROSS * (_CELL_WIDTH + _GAP),
                top + _HEAD + place // _ACROSS * _CELL_HEIGHT,
            )
            _draw(sheet, draw, corner, split, one)
        top += _HEAD + count * _CELL_HEIGHT
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _chosen(split: Split) -> list[Demonstration]:
    """At most MOST: the first of each task, then others evenly."""
    first = {one.task: one for one in reversed(split.demonstrations)}
    found = sorted(first.values(), key=lambda one: one.index)[:MOST]
    rest = [one for one in split.demonstrations if first[one.task] is not one]
    room = MOST - len(found)
    if rest and room:
        places = {round(place) for place in np.linspace(0, len(rest) - 1, min(room, len(rest)))}
        found += [rest[place] for place in sorted(places)]
    return sorted(found, key=lambda one: one.index)


def _draw(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], split: Split, one: Demonstration
) -> None:
    left, top = corner
    frames = []
    for place, frame in enumerate(_places(one)):
        x = left + place * _SIDE
        try:
            arrays = split.read_frame(frame)
        except DatasetError:
            draw.rectangle((x, top, x + _SIDE - 2, top + _SIDE - 2), _HOLE)
            draw.text((x + 6, top + 6), f"frame {frame}\ncannot be read", _FAINT, _font(11))
            continue
        frames.append(arrays)
        sheet.paste(Image.fromarray(arrays["rgb_static"]).resize((_SIDE - 1, _SIDE - 1)), (x, top))
    scene = one.scene if one.scene != UNKNOWN_SCENE else scene_seen(frames).scene
    number = f"episode {split.number_of(one)}" if isinstance(split, Numbering) else str(one.index)
    about = f"{number}  {one.task}  scene {scene}  frames {one.start}-{one.end}"
    draw.text((left, top + _SIDE + 2), cut(about, _LINE_CHARACTERS), _FAINT, _font(11))
    lines = textwrap.wrap(one_line(one.instruction), _LINE_CHARACTERS, max_lines=_LINES, placeholder=" ...")
    draw.multiline_text((left, top + _SIDE + 18), "\n".join(lines), _INK, _font(12))


def _places(one: Demonstration) -> list[int]:
    """First, middle and last frame; fewer where it has fewer."""
    return sorted({one.start, (one.start + one.end) // 2, one.end})


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
