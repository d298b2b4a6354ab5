"""The training index of one split: the original pipeline's JSON. `tasks.data.index_reader` reads it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors import safe_open

from calvin.episode_file import load_episode
from calvin.training_index import Gaze, IndexItem, build_items, write_index
from errors import BatonError, InvalidInput
from tasks.context import Draft, Finished, TaskContext, Yielded, inputs_of
from tasks.data.index_reader import ITEMS
from tasks.gaze.artifact import GazeRow, header_of
from tasks.results import IndexResult
from tasks.specs import IndexSpec


class _Stopped(Exception):
    """The job was asked to stop; nothing of the index is kept."""


def run(context: TaskContext[IndexSpec]) -> Finished[IndexResult] | Yielded:
    """Publishes `index.json`; the frames stay in the episodes' files.

    Raises InvalidInput where nothing would be left of it.

    `untrusted` in the spec says what becomes of frames without a trusted gaze region: `keep` them, `weigh`
    their reconstruction loss by the region's score, or `drop` them. The counts say how many these were.
    `repeat_motion`: chunks beyond the end of a demonstration repeat its last motion (official compat).
    """
    counts = {
        "items": 0,
        "with_target": 0,
        "demonstrations": len(context.spec.numbers),
        "weighed_down": 0,
        "dropped": 0,
    }
    file = context.scratch / ITEMS
    try:
        write_index(_items(context, counts), file)
    except _Stopped as stop:
        return Yielded(str(stop))
    return Finished([Draft("index", ITEMS, file)], result=IndexResult(**counts))


def _items(context: TaskContext[IndexSpec], counts: dict[str, int]) -> Iterator[IndexItem]:
    """The items of all demonstrations, one after the other; `counts` grows with them."""
    episodes = {file.name: file for file in inputs_of(context, "episode")}
    regions = {file.name: file for file in inputs_of(context, "gaze")}
    untrusted = context.spec.untrusted
    for done, number in enumerate(context.spec.numbers):
        reason = context.should_stop()
        if reason:
            raise _Stopped(reason)
        name = f"task_{number}"
        episode = load_episode(episodes[name].path)
        gaze, true_boxes, trusted = _read_gaze(regions[name].path, len(episode), untrusted == "weigh")
        for item in build_items(episode, gaze, number, context.spec.repeat_motion):
            frame = item["frame"] - episode.start
            if untrusted == "drop" and frame not in trusted:
                counts["dropped"] += 1
                continue
            item["image_source"] = f"{episodes[name].reference}#rgb_static[{frame}]"
            seen = item["gaze"]["box"] is not None
            item["crop_source"] = f"{regions[name].reference}#crop_{frame:05d}" if seen else None
            if frame in true_boxes:
                item["true_box"] = true_boxes[frame]
            counts["items"] += 1
            counts["with_target"] += seen
            counts["weighed_down"] += item["gaze"]["weight"] < 1.0
            yield item
        context.report_progress(done + 1, len(context.spec.numbers))
    if counts["dropped"] and not counts["items"]:
        raise InvalidInput(
            f"gaze.untrusted is 'drop', and none of the {counts['dropped']} frames of {counts['demonstrations']} "
            "demonstrations has a trusted gaze region: set it to 'weigh' or 'keep', or gaze.detector to another one"
        )


def _read_gaze(
    path: Path, frames: int, weighed: bool
) -> tuple[list[Gaze], dict[int, list[float] | None], frozenset[int]]:
    """Regions by frame, true boxes of those where they are known, and the frames with a trusted region.

    weighed: regions that are not trusted count by their score.
    """
    with safe_open(path, framework="numpy") as tensors:
        about = header_of(tensors.metadata(), path.name)
    rows = about["rows"]
    if len(rows) != frames:
        raise BatonError(f"{path.name}: gaze rows for {len(rows)} of {frames} frames")
    gaze = [_gaze_of(row, about["detector"], weighed) for row in rows]
    true_boxes = {f: row["true_box"] for f, row in enumerate(rows) if "true_box" in row}
    trusted = frozenset(f for f, row in enumerate(rows) if "box" in row and row["trusted"])
    return gaze, true_boxes, trusted


def _gaze_of(row: GazeRow, detector: str, weighed: bool) -> Gaze:
    if "box" not in row:
        return Gaze(detector=detector, box=None, score=None, reason=row["reason"])
    x0, y0, x1, y1 = row["box"]
    return Gaze(
        detector=detector,
        box=(x0, y0, x1, y1),
        score=row["score"],
        reason=None,
        source=row["source"],
        weight=row["score"] if weighed and not row["trusted"] else 1.0,
    )
