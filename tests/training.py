"""A training index of a few made-up frames, and the parameters of a training job that lasts seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calvin.episode_file import save_episode
from calvin.training_index import Gaze, build_items, write_index
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_config
from models.spec import ModelSpec
from settings.typed_json import from_json
from tasks.data.index_reader import ITEMS
from tests.calvin.samples import make_episode

INSTRUCTION = "draw the drawer out"


def write_training_index(folder: Path, frames: int = 8, demonstrations: int = 1) -> dict[str, Path]:
    """An index and its frames by artifact name. Every third frame has no gaze region."""
    gaze = [
        Gaze("colour", None, None, "not visible")
        if frame % 3 == 2
        else Gaze("colour", (20, 30, 60, 70), 0.9, None)
        for frame in range(frames)
    ]
    files = {ITEMS: folder / "index.json"}
    items = []
    for number in range(demonstrations):
        episode = make_episode(frames=frames, instruction=INSTRUCTION, seed=number)
        items += build_items(episode, gaze, number)
        files[f"task_{number}"] = folder / f"episode{number or ''}.safetensors"
        save_episode(episode, files[f"task_{number}"])
    write_index(items, files[ITEMS])
    return files


def training_spec(steps: int, seed: int = 0, arm: str = "recon", **training: Any) -> dict[str, Any]:
    """What the planner puts into a training job, for the toy model."""
    return {
        "model": {
            "config": planned_config("toy", {}, built_in_method(arm)),
            "reconstructs": built_in_method(arm).reconstruction,
            "backbones": {},
            "instructions": [INSTRUCTION],
        },
        "training": {
            "steps": steps,
            "batch_size": 3,
            "learning_rate": 1e-3,
            "warmup_fraction": 0.1,
            "weight_decay": 0.0,
            "gradient_clip": 1.0,
            "reconstruction_weight": 1.0,
            "threads": 1,
            "checkpoint_seconds": 3600.0,
            "log_every_steps": 1,
            "early_stopping": None,
            "precision": "fp32",
            "micro_batch": None,
            "gradient_checkpointing": False,
            "lora": None,
            "devices": 1,
            "operations": "few",
            **training,
        },
        "seed": seed,
        "slice_seconds": 3600.0,
    }


def model_spec(spec: Mapping[str, Any]) -> ModelSpec:
    """The model of a job's parameters."""
    return from_json(ModelSpec, spec["model"], "model")
