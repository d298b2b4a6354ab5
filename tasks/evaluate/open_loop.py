"""Open loop: a model on held-out frames, its predicted against the recorded actions and its loss."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import torch

from models.batches import collate
from models.finite import check_finite
from models.generation import generate_actions
from models.recipe import Recipe, recipe_of
from models.reconvla import ReconVLA
from settings.spacing import evenly_spaced
from tasks.context import Draft, Finished, Point, TaskContext
from tasks.data.index_reader import Index, load_index
from tasks.data.samples import question_of, sample_of
from tasks.evaluate.model import judged_model
from tasks.results import OpenLoopResult
from tasks.specs import OpenLoopSpec

#: Recorded frames that the error is measured on, evenly spaced over the split, where the job does not say.
FRAMES = 200
_BATCH = 8


def run_open_loop(context: TaskContext[OpenLoopSpec]) -> Finished[OpenLoopResult]:
    """Mean absolute error of predicted actions (units of -1..1), gripper accuracy and action loss (nats a token).

    Frames that a run was measured on as it was trained are given, so that its last loss and this one are of the same
    pictures.
    """
    started = time.perf_counter()
    recipe = recipe_of(context.spec.model)
    vision, jpeg = recipe.config.vision, context.spec.jpeg
    index = load_index(
        context.inputs, vision.image_size, memory=context.memory, jpeg=jpeg, resample=vision.resample
    )
    model = judged_model(context, recipe)
    context.spend("load", time.perf_counter() - started)
    began = time.perf_counter()
    rows = evenly_spaced(len(index), FRAMES if context.spec.frames is None else context.spec.frames)
    error, gripper, outside = open_loop_error(model, recipe, index, rows)
    asked = len(rows) * recipe.config.answer_tokens
    loss = fmean(action_losses(model, recipe, index, rows))
    context.spend("useful", time.perf_counter() - began)
    figures = {"frames": len(rows), "mean_absolute_error": error, "gripper_accuracy": gripper,
               "outside_tokens": outside, "action_loss": loss}  # fmt: skip
    file = context.scratch / "open_loop.json"
    file.write_text(json.dumps({"mode": context.spec.mode, **figures}, indent=1), encoding="utf-8")
    return Finished(
        [Draft("evaluation", "open_loop", file)],
        [
            Point("open_loop/mean_absolute_error", 0, error),
            Point("open_loop/gripper_accuracy", 0, gripper),
            Point("open_loop/action_loss", 0, loss),
        ],
        result=OpenLoopResult(
            mode=context.spec.mode,
            frames=len(rows),
            mean_absolute_error=error,
            gripper_accuracy=gripper,
            outside_tokens=outside,
            action_loss=loss,
            answer_tokens=asked,
        ),
    )


def open_loop_error(
    model: ReconVLA, recipe: Recipe, index: Index, rows: Sequence[int]
) -> tuple[float, float, int]:
    """(mean absolute error of the six motion numbers, share of right gripper commands, stray tokens).

    Raises NotFinite where the model gives NaN or infinities.
    """
    errors, grips, outside = [], [], 0
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        items = [index.items[row] for row in part]
        questions = [question_of(recipe, index, row) for row in part]
        chunks = generate_actions(
            model,
            [question.image for question in questions],
            [question.prompt for question in questions],
            crops=[question.crop for question in questions],
        )
        truth = np.array([item["actions"] for item in items])
        errors.append(np.abs(chunks.actions[..., :6] - truth[..., :6]).mean(axis=(1, 2)))
        grips.append(((chunks.actions[..., 6] > 0) == (truth[..., 6] > 0)).mean(axis=1))
        outside += int(chunks.outside.sum())
    return float(np.concatenate(errors).mean()), float(np.concatenate(grips).mean()), outside


@torch.no_grad()
def action_losses(model: ReconVLA, recipe: Recipe, index: Index, rows: Sequence[int]) -> list[float]:
    """What training minimizes, in nats a token, told the recorded tokens before each: a number for each row.

    Raises NotFinite where it is none.
    """
    device = next(model.parameters()).device
    losses = []
    for row in rows:
        sample = sample_of(recipe, index, row, reconstructed=False)
        batch = collate([sample], recipe.config, recipe.pad_id).to(device)
        hidden = model.hidden_states(batch.input_ids, batch.attention_mask, batch.images, batch.crops)
        loss = model.action_loss(hidden, batch.labels)
        check_finite(model, loss, f"action loss of held-out row {row}")
        losses.append(loss.item())
    return losses
