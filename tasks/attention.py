"""Where a trained model looks when it acts: attention on held-out frames, scored against the gaze boxes."""

from __future__ import annotations

import time

import numpy as np
import torch
from safetensors.numpy import save_file

from models.attention import action_attention, gaze_coverage, mass_in_gaze, points_at_gaze
from models.generation import generate_actions
from tasks.context import Draft, Finished, Point, Result, TaskContext, one_input
from tasks.evaluate import evenly_spaced
from tasks.index import load_index
from tasks.modelling import load_model, recipe_of
from tasks.train import WEIGHTS

#: Held-out frames with a gaze region that are looked at, evenly spaced.
FRAMES = 64
_BATCH = 8
_STATIC_FRAME = (200, 200)


def run(context: TaskContext) -> Result:
    """Publishes an `attention` artifact: maps (frames, grid, grid), averaged over the action tokens."""
    started = time.perf_counter()
    torch.set_num_threads(context.spec["threads"])
    index = load_index(context.inputs)
    recipe = recipe_of(context.spec)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_model(recipe.config, one_input(context.inputs, "checkpoint", WEIGHTS).path).to(device).eval()
    context.spend("load", time.perf_counter() - started)
    began = time.perf_counter()

    with_gaze = [row for row, item in enumerate(index.items) if item["gaze"]["box"] is not None]
    rows = [with_gaze[place] for place in evenly_spaced(len(with_gaze), FRAMES)] if with_gaze else []
    maps, masses, hits = [], [], []
    vision = recipe.config.vision
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        images = [index.images[row] for row in part]
        prompts = [
            recipe.prompts.prompt(index.items[row]["instruction"], index.items[row]["robot_obs"])
            for row in part
        ]
        tokens = generate_actions(model, images, prompts).token_ids
        attention = action_attention(model, images, prompts, tokens).mean(axis=1)  # (B, grid, grid)
        for row, one in zip(part, attention):
            box = index.items[row]["gaze"]["box"]
            coverage = gaze_coverage(box, _STATIC_FRAME, vision.image_size, vision.patch_size)
            maps.append(one)
            masses.append(mass_in_gaze(one, coverage))
            hits.append(points_at_gaze(one, coverage))
    context.spend("useful", time.perf_counter() - began)
    if not rows:
        return Finished(result={"frames": 0, "mass_in_gaze": None, "pointing_accuracy": None})
    file = context.scratch / "attention.safetensors"
    save_file(
        {"maps": np.stack(maps).astype(np.float32), "rows": np.array(rows), "mass": np.array(masses)}, file
    )
    mass, pointing = float(np.mean(masses)), float(np.mean(hits))
    return Finished(
        [Draft("attention", "maps", file)],
        [Point("attention/mass_in_gaze", 0, mass), Point("attention/pointing_accuracy", 0, pointing)],
        result={"frames": len(rows), "mass_in_gaze": mass, "pointing_accuracy": pointing},
    )
