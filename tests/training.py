"""A training index of a few made-up frames, and the parameters of a training job that lasts seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from calvin.training_index import Gaze, build_items, write_index
from models.config import config_of_size
from tasks.index import ITEMS, PICTURES
from tasks.model_spec import planned_config
from tests.calvin.samples import make_episode

INSTRUCTION = "draw the drawer out"


def write_training_index(folder: Path, frames: int = 8) -> dict[str, Path]:
    """The two files of an index job by artifact name. Every third frame has no gaze region."""
    random = np.random.RandomState(7)
    episode = make_episode(frames=frames, instruction=INSTRUCTION)
    gaze = [
        Gaze("colour", None, None, "not visible")
        if frame % 3 == 2
        else Gaze("colour", (20, 30, 60, 70), 0.9, None)
        for frame in range(frames)
    ]
    files = {ITEMS: folder / "index.json", PICTURES: folder / "pictures.safetensors"}
    write_index(build_items(episode, gaze, 0), files[ITEMS])
    size = config_of_size("toy", vocab_size=1024).vision.image_size
    shape = (frames, size, size, 3)
    save_file(
        {
            "images": random.randint(0, 256, shape, dtype=np.uint8),
            "targets": random.randint(0, 256, shape, dtype=np.uint8),
            "has_target": np.array([box.box is not None for box in gaze], dtype=np.uint8),
        },
        files[PICTURES],
    )
    return files


def training_spec(steps: int, seed: int = 0, reconstruction: bool = True, **training: Any) -> dict[str, Any]:
    """What the planner puts into a training job, for the toy model."""
    return {
        "model": {
            "config": planned_config("toy", {}, 1.0 if reconstruction else None),
            "instructions": [INSTRUCTION],
        },
        "training": {
            "steps": steps,
            "batch_size": 3,
            "learning_rate": 1e-3,
            "warmup_fraction": 0.1,
            "weight_decay": 0.0,
            "gradient_clip": 1.0,
            "threads": 1,
            "checkpoint_seconds": 3600.0,
            "log_every_steps": 1,
            **training,
        },
        "seed": seed,
    }
