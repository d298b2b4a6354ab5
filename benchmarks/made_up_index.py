"""A training index of noise, in the form that an ingest and an index job give it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calvin.episode import Episode
from calvin.episode_file import save_episode
from calvin.training_index import Gaze, build_items, write_index
from db.store import file_sha256
from tasks.context import FRAMES, InputFile
from tasks.data.index_reader import ITEMS

INSTRUCTION = "pull the handle to open the drawer"


def write(folder: Path, frames: int) -> list[InputFile]:
    """One demonstration of `frames` frames, every one with a gaze region. Returns a job's inputs."""
    random = np.random.default_rng(0)
    poses = random.normal(size=(frames, 15))
    actions = random.uniform(-1, 1, (frames, 7))
    episode = Episode(
        rgb_static=random.integers(0, 256, (frames, 200, 200, 3), dtype=np.uint8),
        rgb_gripper=random.integers(0, 256, (frames, 84, 84, 3), dtype=np.uint8),
        robot_obs=poses,
        scene_obs=np.zeros((frames, 24)),
        actions=actions,
        rel_actions=actions,
        task="open_drawer",
        instruction=INSTRUCTION,
        scene="D",
        split="training",
        start=0,
        end=frames - 1,
    )
    gaze = [Gaze("made up", (20, 30, 60, 70), 1.0, None)] * frames
    items, shard = _files(folder)
    write_index(build_items(episode, gaze, 0), items)
    save_episode(episode, shard)
    return inputs_of(folder)


def inputs_of(folder: Path) -> list[InputFile]:
    """What `write` left in a folder, as a job's inputs."""
    items, shard = _files(folder)
    return [
        InputFile("index", "index", ITEMS, items, items.name, file_sha256(items), 0),
        InputFile("index" + FRAMES, "episode", "task_0", shard, shard.name, file_sha256(shard), 0),
    ]


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / ITEMS, folder / "task_0.safetensors"
