"""Writes a split in CALVIN's layout, so that `calvin.dataset` and the official loaders read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.tasks import UNKNOWN_SCENE
from calvin.annotations import LANGUAGE_FOLDER, SCENE_PREFIX
from calvin.episode import FRAME_SHAPES, OPTIONAL_FIELDS, Episode, FrameBoxes, FramePixels
from calvin.frames import FrameFiles
from calvin.recording import write_record
from errors import InvalidInput
from settings import files

EMBEDDING_WIDTH = 384  # of CALVIN's MiniLM sentence embeddings


def write_split(
    root: Path,
    split: str,
    episodes: Iterable[Episode],
    *,
    digits: int = 7,
    validation_instructions: Mapping[str, str] | None = None,
    drawn_by: str | None = None,
    scenes: str | None = None,
) -> Path:
    """Write `episodes` to the folder `root/split` and return it; each becomes one recorded, annotated
    episode.

    Episodes are taken one at a time and may come from a generator. Language embeddings, which the official
    files carry and nothing here uses, are zeros. `boxes.json` holds the boxes of the frames where they are
    known. `auto_lang_ann.npy` comes last: without it a folder does not open, so half a split is never read.
    drawn_by, scenes: what drew the pictures and whose scenes they show, for `calvin.recording`; where both are
    given, a record of it is left beside the frames.

    Raises InvalidInput when the folder already has content, there is no episode, one lacks an array, episodes share
    frames, only some of them have boxes, or those of one scene are not consecutive.
    """
    folder = Path(root) / split
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInput(f"{folder} already has content; give an empty or new folder.")
    (folder / LANGUAGE_FOLDER).mkdir(parents=True, exist_ok=True)
    frames = FrameFiles(folder, digits)
    summary = _Summary()
    for episode in episodes:
        summary.add(episode)
        for position, frame in enumerate(range(episode.start, episode.end + 1)):
            arrays: dict[str, Any] = {field: getattr(episode, field)[position] for field in FRAME_SHAPES}
            np.savez_compressed(frames.path(frame), **arrays)
    summary.write(folder, digits)
    if drawn_by is not None and scenes is not None:
        write_record(folder, summary.recorded, frames, drawn_by=drawn_by, scenes=scenes)
    if validation_instructions is not None:
        embeddings = {
            task: {"emb": _no_embeddings(1), "ann": [phrase]}
            for task, phrase in validation_instructions.items()
        }
        np.save(folder / LANGUAGE_FOLDER / "embeddings.npy", _boxed(embeddings), allow_pickle=True)
    os.sync()  # the annotations vouch for the frames, also after a machine was switched off
    with files.whole(folder / LANGUAGE_FOLDER / "auto_lang_ann.npy") as stream:
        np.save(stream, _boxed(summary.annotations()), allow_pickle=True)
    return folder


class _Summary:
    """What the split's small files say, gathered while its episodes pass by."""

    def __init__(self) -> None:
        self._about: list[tuple[int, int, str, str, str]] = []
        self._vectors: dict[str, list[np.ndarray]] = {"robot_obs": [], "scene_obs": [], "actions": []}
        self._boxes: dict[int, FrameBoxes] = {}
        self._pixels: dict[int, FramePixels] = {}

    def add(self, episode: Episode) -> None:
        for field in OPTIONAL_FIELDS:
            if getattr(episode, field) is None:
                raise InvalidInput(f"{episode.name} has no {field}, which CALVIN's layout has of each frame.")
        for start, end, *_ in self._about:
            if episode.start <= end and start <= episode.end:
                raise InvalidInput(f"{episode.name} shares frames with the episode {start}-{end}.")
        for what, given, have in (
            ("boxes", episode.boxes, self._boxes),
            ("pixels", episode.pixels, self._pixels),
        ):
            if self._about and (given is None) != (not have):
                raise InvalidInput(f"{episode.name}: either all episodes of a split have {what} or none has.")
        self._about.append((episode.start, episode.end, episode.scene, episode.task, episode.instruction))
        for field, arrays in self._vectors.items():
            arrays.append(getattr(episode, field))
        if episode.boxes is not None:
            self._boxes.update(zip(range(episode.start, episode.end + 1), episode.boxes))
        if episode.pixels is not None:
            self._pixels.update(zip(range(episode.start, episode.end + 1), episode.pixels))

    @property
    def recorded(self) -> list[tuple[int, int]]:
        """First and last frame of each episode."""
        return [(start, end) for start, end, *_ in self._about]

    def annotations(self) -> dict[str, dict[str, Any]]:
        """The content of `auto_lang_ann.npy`."""
        return {
            "language": {
                "ann": [instruction for *_, instruction in self._about],
                "task": [task for _, _, _, task, _ in self._about],
                "emb": _no_embeddings(len(self._about)),
            },
            "info": {"episodes": [], "indx": [(start, end) for start, end, *_ in self._about]},
        }

    def write(self, folder: Path, digits: int) -> None:
        if not self._about:
            raise InvalidInput(f"{folder}: there is no episode to write.")
        bounds = np.array(sorted((start, end) for start, end, *_ in self._about), dtype=np.int64)
        np.save(folder / "ep_start_end_ids.npy", bounds)
        np.save(folder / "ep_lens.npy", bounds[:, 1] - bounds[:, 0] + 1)
        np.save(folder / "scene_info.npy", _boxed(self._scene_info()), allow_pickle=True)
        (folder / "statistics.yaml").write_text(self._statistics(), encoding="utf-8")
        if self._boxes:
            content = {
                f"{frame:0{digits}d}": {
                    name: {"box": box} | ({"pixels": self._pixels[frame][name]} if self._pixels else {})
                    for name, box in boxes.items()
                }
                for frame, boxes in sorted(self._boxes.items())
            }
            (folder / "boxes.json").write_text(json.dumps(content), encoding="utf-8")

    def _scene_info(self) -> dict[str, list[int]]:
        info: dict[str, list[int]] = {}
        previous = UNKNOWN_SCENE
        for start, end, scene, *_ in sorted(self._about):
            name = SCENE_PREFIX + scene
            if scene != previous and name in info:
                raise InvalidInput(
                    f"Frame {start} is in scene {scene} again; a scene's frames must be consecutive."
                )
            if scene != UNKNOWN_SCENE:
                info[name] = [info.get(name, [start])[0], end]
            previous = scene
        return info

    def _statistics(self) -> str:
        """`statistics.yaml` in CALVIN's form: mean and standard deviation of states, bounds of `actions`."""
        lines = []
        for field in ("robot_obs", "scene_obs"):
            values = np.concatenate(self._vectors[field])
            lines += [f"{field}:", "  - _target_: calvin_agent.utils.transforms.NormalizeVector"]
            lines += [f"    mean: {values.mean(0).tolist()}", f"    std: {values.std(0).tolist()}"]
        actions = np.concatenate(self._vectors["actions"])
        lines += [f"act_min_bound: {actions.min(0).tolist()}", f"act_max_bound: {actions.max(0).tolist()}"]
        return "\n".join(lines) + "\n"


def _no_embeddings(count: int) -> np.ndarray:
    return np.zeros((count, 1, EMBEDDING_WIDTH), dtype=np.float32)


def _boxed(value: Any) -> np.ndarray:
    boxed = np.empty((), dtype=object)
    boxed[()] = value
    return boxed
