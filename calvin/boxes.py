"""True boxes of a frame, and how many pixels show each thing: `boxes.json`, and the same text of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calvin.episode import FRAME_SHAPES, FrameBoxes, FramePixels
from errors import DatasetError
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import is_there, read_text
from settings.shown import cut, shown
from settings.whole_numbers import whole_number

#: Edges of true boxes may lie outside of the image, but not this far.
_FARTHEST_PIXEL = 10**6
_MOST_PIXELS = 10**6
_MOST_DIGITS = 18
#: Of `boxes.json`: 40 bytes for each thing in each frame of the largest download.
_MOST_BOXES_BYTES = 1 << 30


def read_boxes(path: Path) -> dict[int, FrameBoxes] | None:
    """`boxes.json`: the true boxes by frame id; None where the file does not exist.

    Its form is `{"0358482": {"red_block": {"box": [x0, y0, x1, y1] or null}, ...}}`. Raises DatasetError naming
    frame and object where it has another form, or a box holds no pixel of the static image.
    """
    if not is_there(path):
        return None
    try:
        content = parse_json(read_text(path, _MOST_BOXES_BYTES))
    except (OSError, ValueError) as error:
        need_fact(error)
        raise DatasetError(f"{path} is not a file of boxes: {error}.") from None
    boxes: dict[int, FrameBoxes] = {}
    for text, things in _need_mapping(content, f"{path}: content").items():
        frame = whole_number(text)
        if frame is None or len(text) > _MOST_DIGITS:
            raise DatasetError(f"{path}: {shown(text)} is no number of a frame.")
        found = frame_boxes(things, f"{path}: frame {text}")
        if frame in boxes:
            raise DatasetError(f"{path} has frame {frame} twice, once as {shown(text)}.")
        boxes[frame] = found
    return boxes


def read_pixels(path: Path) -> dict[int, FramePixels] | None:
    """`pixels` in a `boxes.json` that `read_boxes` has read; None where the file or any of the counts is absent."""
    if not is_there(path):
        return None
    content = parse_json(read_text(path, _MOST_BOXES_BYTES))
    if not all(has_pixels(things) for things in content.values()):
        return None
    return {int(frame): frame_pixels(things, f"{path}: frame {frame}") for frame, things in content.items()}


def boxes_document(boxes: FrameBoxes, pixels: FramePixels | None) -> dict[str, Any]:
    """What is written of one frame: what `frame_boxes` and `frame_pixels` read."""
    return {
        name: {"box": box} | ({} if pixels is None else {"pixels": pixels[name]})
        for name, box in boxes.items()
    }


def frame_boxes(things: Any, place: str) -> FrameBoxes:
    """The boxes in what is written of one frame. Raises DatasetError, beginning with `place`."""
    boxes = {}
    for name, entry in _need_mapping(things, place).items():
        if not isinstance(entry, Mapping) or "box" not in entry:
            raise DatasetError(
                f'{place}, {cut(name)}: {shown(entry)} is not {{"box": [x0, y0, x1, y1] or null}}.'
            )
        try:
            boxes[name] = _box(entry["box"])
        except ValueError as error:
            raise DatasetError(f"{place}, {cut(name)}: box is {shown(entry['box'])}, {error}.") from None
    return boxes


def has_pixels(things: Mapping[str, Any]) -> bool:
    """Whether it is written of each thing in a frame how many pixels show it."""
    return all("pixels" in entry for entry in things.values())


def frame_pixels(things: Mapping[str, Any], place: str) -> FramePixels:
    """The counts in what is written of a frame that `has_pixels`. Raises DatasetError, beginning with `place`."""
    return {name: _count(entry["pixels"], f"{place}, {cut(name)}") for name, entry in things.items()}


def _count(pixels: Any, place: str) -> int:
    if type(pixels) is not int or not 0 <= pixels <= _MOST_PIXELS:
        raise DatasetError(f"{place}: pixels is {shown(pixels)}, not a number of pixels.")
    return pixels


def _box(corners: Any) -> tuple[float, float, float, float] | None:
    """Raises ValueError with the end of a sentence."""
    if corners is None:
        return None
    if not isinstance(corners, list) or len(corners) != 4 or not all(map(_is_edge, corners)):
        raise ValueError("not four numbers of pixels or null")
    x0, y0, x1, y1 = corners
    height, width, _ = FRAME_SHAPES["rgb_static"]
    if max(x0, 0) >= min(x1, width) or max(y0, 0) >= min(y1, height):
        raise ValueError(f"which holds no pixel of {width} x {height}")
    # 90.0 is 90: the demonstration's identity, which jobs are keyed by, is made of these.
    x0, y0, x1, y1 = (int(edge) if edge == int(edge) else edge for edge in corners)
    return x0, y0, x1, y1


def _is_edge(value: Any) -> bool:
    """False for what is no number, not finite, or so far off that its squares are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _FARTHEST_PIXEL


def _need_mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DatasetError(f"{place} is a {type(value).__name__}, not a dict.")
    return value
