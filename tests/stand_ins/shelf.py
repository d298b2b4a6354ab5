"""A second format of demonstrations, for tests: `root/NAME.shelf/` holds files `0.safetensors` and on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmark.tasks import TASKS
from calvin.episode import FRAME_SHAPES, Episode, FrameBoxes
from calvin.episode_file import load_episode, save_episode
from calvin.instructions import evaluation_instruction
from calvin.split import Demonstration, Findings, Recording
from errors import DatasetError


@dataclass(frozen=True)
class ShelfSplit:
    folder: Path
    split: str
    frame_digits: int = 7

    @property
    def boxes_file(self) -> Path:
        return self.folder

    @cached_property
    def _episodes(self) -> list[Episode]:
        count = len(list(self.folder.glob("*.safetensors")))
        return [load_episode(self.folder / f"{number}.safetensors") for number in range(count)]

    @cached_property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        return tuple(
            Demonstration(index, made.task, made.instruction, made.start, made.end, made.scene)
            for index, made in enumerate(self._episodes)
        )

    @property
    def validation_instructions(self) -> Mapping[str, str]:
        return {task: evaluation_instruction(task) for task in TASKS}

    def read(self, demonstration: Demonstration) -> Episode:
        return self._episodes[demonstration.index]

    def read_frame(self, frame: int) -> Mapping[str, np.ndarray]:
        episode = next(e for e in self._episodes if e.start <= frame <= e.end)
        return {field: getattr(episode, field)[frame - episode.start] for field in FRAME_SHAPES}

    def content_of(self, frame: int) -> Sequence[tuple[str, int]]:
        return [(hashlib.sha256(self.read_frame(frame)["rgb_static"].tobytes()).hexdigest(), 0)]

    def fingerprint(self, demonstration: Demonstration) -> str:
        content = (self.folder / f"{demonstration.index}.safetensors").read_bytes()
        return hashlib.sha256(content).hexdigest()

    def boxes_of(self, demonstration: Demonstration) -> tuple[FrameBoxes, ...] | None:
        return self.read(demonstration).boxes

    def embeddings(self) -> np.ndarray | None:
        return None

    def recording(self) -> Recording:
        return Recording(None, "nothing tells")

    def examine(self, frames: Iterable[int]) -> Findings:
        for frame in frames:
            self.read_frame(frame)
        return Findings((), ())


class Shelf:
    def is_at(self, root: Path) -> bool:
        return any(root.glob("*.shelf"))

    def check_place(self, root: Path, name: str) -> None:
        if not (root / f"{name}.shelf").is_dir():
            raise DatasetError(f"{root / name}.shelf is missing.")

    def open(self, root: Path, name: str) -> ShelfSplit:
        self.check_place(root, name)
        return ShelfSplit(root / f"{name}.shelf", name)

    def survey(self, root: Path, name: str) -> tuple[ShelfSplit, tuple[DatasetError, ...]]:
        return self.open(root, name), ()


def write_shelf(root: Path, name: str, episodes: Iterable[Episode]) -> None:
    folder = root / f"{name}.shelf"
    folder.mkdir(parents=True)
    for number, episode in enumerate(episodes):
        save_episode(episode, folder / f"{number}.safetensors")
