"""The training index of one split: the original pipeline's JSON, and the pictures at the model's size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from calvin.episode import Episode
from calvin.episode_file import load_episode
from calvin.training_index import Gaze, build_items, read_index, write_index
from errors import BatonError
from models.images import compose, replace_upper, to_model_size
from tasks.context import Draft, Finished, InputFile, Result, TaskContext, Yielded, inputs_of, one_input

ITEMS, PICTURES = "index.json", "pictures"


@dataclass(frozen=True)
class Index:
    """What training reads. Row i of the arrays belongs to item i; pictures are memory-mapped."""

    items: list[dict[str, Any]]
    images: np.ndarray  # (N, S, S, 3) uint8
    targets: np.ndarray  # (N, S, S, 3) uint8, zeros where there is no gaze region
    has_target: np.ndarray  # (N,) bool

    def __len__(self) -> int:
        return len(self.items)


def run(context: TaskContext) -> Result:
    """Publishes two `index` artifacts: index.json and pictures."""
    size = context.spec["image_size"]
    episodes = {file.name: file for file in inputs_of(context, "episode")}
    regions = {file.name: file for file in inputs_of(context, "gaze")}
    names = [f"task_{number}" for number in context.spec["numbers"]]
    items: list[dict[str, Any]] = []
    images, targets, has_target = [], [], []
    for done, name in enumerate(names):
        reason = context.should_stop()
        if reason:
            return Yielded(reason)
        number = int(name.removeprefix("task_"))
        episode = load_episode(episodes[name].path)
        gaze, crops = _read_gaze(regions[name].path, len(episode))
        for item in build_items(episode, gaze, number):
            frame = item["frame"] - episode.start
            item["image_source"] = f"{episodes[name].reference}#rgb_static[{frame}]"
            item["crop_source"] = (
                None if frame not in crops else f"{regions[name].reference}#crop_{frame:05d}"
            )
            items.append(item)
        for image, target in _pictures(episode, crops, size):
            images.append(image)
            has_target.append(target is not None)
            targets.append(np.zeros_like(image) if target is None else target)
        context.report_progress(done + 1, len(names))

    index_file, picture_file = context.scratch / "index.json", context.scratch / "pictures.safetensors"
    write_index(items, index_file)
    save_file(
        {
            "images": np.stack(images),
            "targets": np.stack(targets),
            "has_target": np.array(has_target, dtype=np.uint8),
        },
        picture_file,
    )
    return Finished(
        [Draft("index", ITEMS, index_file), Draft("index", PICTURES, picture_file)],
        result={
            "items": len(items),
            "with_target": int(sum(has_target)),
            "demonstrations": len(names),
        },
    )


def load_index(files: Sequence[InputFile], role: str = "index") -> Index:
    """The index among a job's inputs."""
    items = read_index(one_input(files, role, ITEMS).path)
    with safe_open(one_input(files, role, PICTURES).path, framework="numpy") as tensors:
        index = Index(
            items,
            tensors.get_tensor("images"),
            tensors.get_tensor("targets"),
            tensors.get_tensor("has_target").astype(bool),
        )
    if len(index.images) != len(items):
        raise BatonError(f"the index has {len(items)} items and {len(index.images)} pictures")
    return index


def _read_gaze(path: Path, frames: int) -> tuple[list[Gaze], dict[int, np.ndarray]]:
    with safe_open(path, framework="numpy") as tensors:
        about = json.loads(tensors.metadata()["gaze"])
        crops = {
            int(name.removeprefix("crop_")): tensors.get_tensor(name)
            for name in tensors.keys()  # noqa: SIM118 - not a mapping
            if name.startswith("crop_")
        }
    if len(about["rows"]) != frames:
        raise BatonError(f"{path.name}: gaze rows for {len(about['rows'])} of {frames} frames")
    gaze = [
        Gaze(
            detector=about["detector"],
            box=tuple(row["box"]) if "box" in row else None,
            score=row.get("score"),
            reason=row.get("reason"),
        )
        for row in about["rows"]
    ]
    return gaze, crops


def _pictures(
    episode: Episode, crops: Mapping[int, np.ndarray], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Input and reconstruction target of each frame, at the model's size."""
    for frame in range(len(episode)):
        canvas = compose(np.asarray(episode.rgb_static[frame]), np.asarray(episode.rgb_gripper[frame]))
        target = None
        if frame in crops:
            target = to_model_size(replace_upper(canvas, crops[frame]), size)
        yield to_model_size(canvas, size), target
