"""Where a trained model looks when it acts: attention on held-out frames, scored against the gaze regions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from models.recipe import recipe_of
from settings import files
from settings.spacing import evenly_spaced
from tasks.context import Draft, Finished, Point, TaskContext, Yielded
from tasks.data.index_reader import Index, load_index
from tasks.evaluate.model import judged_model
from tasks.probes.attention_scores import FIGURES, AttentionScores, figures_of, look, region_of
from tasks.registry import ATTENTION
from tasks.results import AttentionResult
from tasks.specs import AttentionSpec, LookedAt


def run(context: TaskContext[AttentionSpec]) -> Finished[AttentionResult] | Yielded:
    """Publishes an `attention` artifact: figures per frame, and maps with pictures of a few frames."""
    started = time.perf_counter()
    settings = context.spec.attention
    torch.set_num_threads(context.spec.threads)
    recipe = recipe_of(context.spec.model)
    vision = recipe.config.vision
    index = load_index(context.inputs, vision.image_size, memory=context.memory, resample=vision.resample)
    model = judged_model(context, recipe)
    context.spend("load", time.perf_counter() - started)
    began = time.perf_counter()
    rows = chosen_rows(index, settings.frames)
    if not rows:
        return Finished((), result=_told({"frames": 0}, recipe.config.language.layers, settings))
    looks = look(
        model,
        recipe,
        index,
        rows,
        settings.layer,
        list(settings.heads) or None,
        context.report_progress,
        context.should_stop,
    )
    if looks is None:
        context.spend("replayed", time.perf_counter() - began)
        return Yielded(context.should_stop() or "stopped")
    figures = figures_of(looks)
    context.spend("useful", time.perf_counter() - began)
    file = context.scratch / "attention.safetensors"
    write_looks(looks, index, file)
    points = [Point(f"attention/{name}", 0, figures[name]) for name in FIGURES]
    return Finished(
        [Draft("attention", "maps", file)],
        points,
        result=_told(figures, recipe.config.language.layers, settings),
    )


def _told(figures: Mapping[str, object], layers: int, settings: LookedAt) -> AttentionResult:
    """figures: of `figures_of`, or of no frame at all."""
    values = {**figures, "layer": settings.layer, "layers": layers, "heads": settings.heads}
    return ATTENTION.result_of(values)


def chosen_rows(index: Index, frames: int) -> list[int]:
    """Rows whose target is in sight: `frames` of them, evenly spaced, or all where that is 0 or too many."""
    with_region = [row for row, item in enumerate(index.items) if region_of(item) is not None]
    if not frames or not with_region:
        return with_region
    return [with_region[place] for place in evenly_spaced(len(with_region), frames)]


def write_looks(looks: AttentionScores, index: Index, file: Path) -> None:
    """Figures (N,) by name and `rows` (N,); `maps`, `images` and `boxes` of `panel_rows`, the frames to look at.

    The header's `captions` are those frames' instructions.
    """
    with files.written_at(file) as aside:
        save_file(
            {
                **{name: np.array(column) for name, column in looks.figures.items()},
                "rows": np.array(looks.rows),
                "demonstrations": np.array(looks.demonstrations),
                "panel_rows": np.array(looks.panel_rows),
                "maps": np.stack(looks.maps).astype(np.float32),
                "images": np.stack(looks.images),
                "boxes": np.array(looks.boxes),
            },
            aside,
            metadata={
                "captions": json.dumps([str(index.items[row]["instruction"]) for row in looks.panel_rows]),
            },
        )
