"""Training in time slices: steps until told to stop, a checkpoint, and exactly on from there.

A run that was cut into slices ends with the same bits as one that was not: weights, optimizer state and
the step are all there is, as batches, noise and timesteps are functions of (seed, step).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from errors import TrainingDiverged
from models.batches import Sample, collate, draw_noise
from models.checkpoint import weights_of
from models.reconvla import ReconVLA
from models.weights import write_weights
from tasks.context import Draft, Finished, Point, Result, TaskContext, Yielded, inputs_of, one_input
from tasks.index import Index, load_index
from tasks.modelling import Recipe, load_model, recipe_of, start_from
from tasks.optimizer import learning_rate_at, load_optimizer, make_optimizer, save_optimizer
from tasks.randomness import batch_rows, draw_seed, weight_seed

WEIGHTS, OPTIMIZER = "weights", "optimizer"

_MEMORY = "training"


@dataclass
class Trainee:
    """A model in training. `step` steps are done."""

    recipe: Recipe
    index: Index
    model: ReconVLA
    optimizer: torch.optim.AdamW
    device: torch.device
    step: int
    checkpoint: str  # SHA-256 of the weights last published or loaded; "" before the first


def run(context: TaskContext) -> Result:
    """Publishes `checkpoint` artifacts: weights and optimizer on the way, weights alone at the end."""
    started = time.perf_counter()
    settings = context.spec["training"]
    torch.set_num_threads(settings["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    trainee = _trainee(context)
    context.spend("load", time.perf_counter() - started)

    target = settings["steps"]
    points: list[Point] = []
    saved_at = time.perf_counter()
    while trainee.step < target:
        reason = context.should_stop()
        if reason:
            _checkpoint(context, trainee, points)
            context.memory[_MEMORY] = trainee
            return Yielded(reason)
        began = time.perf_counter()
        losses = train_step(trainee, context.spec)
        trainee.step += 1
        context.spend("useful", time.perf_counter() - began)
        context.report_progress(trainee.step, target, losses)
        if trainee.step % settings["log_every_steps"] == 0 or trainee.step == target:
            points += [Point(f"loss/{name}", trainee.step, value) for name, value in losses.items()]
        if time.perf_counter() - saved_at >= settings["checkpoint_seconds"] and trainee.step < target:
            _checkpoint(context, trainee, points)
            points.clear()
            saved_at = time.perf_counter()
    began = time.perf_counter()
    file = context.scratch / "weights.safetensors"
    write_weights(weights_of(trainee.model), file)
    context.memory.pop(_MEMORY, None)
    context.spend("checkpoint", time.perf_counter() - began)
    return Finished([Draft("checkpoint", WEIGHTS, file)], points, result={"steps": target})


def train_step(trainee: Trainee, spec: Mapping[str, Any]) -> dict[str, float]:
    """One optimization step. Returns its losses by name. Raises TrainingDiverged for NaN or infinity."""
    settings, step, seed = spec["training"], trainee.step, spec["seed"]
    rows = batch_rows(seed, step, len(trainee.index), settings["batch_size"])
    batch = collate(
        [_sample(trainee, int(row)) for row in rows], trainee.recipe.config, trainee.recipe.pad_id
    ).to(trainee.device)
    generator = torch.Generator().manual_seed(draw_seed(seed, step))
    draws = draw_noise(trainee.recipe.config, len(batch), generator)
    losses = trainee.model(batch, None if draws is None else draws.to(trainee.device))
    values = {"total": losses.total.item(), "action": losses.action.item()}
    if losses.reconstruction is not None:
        values["reconstruction"] = losses.reconstruction.item()
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingDiverged(f"the {name} loss is {value} at step {step}; the last checkpoint is kept")
    for group in trainee.optimizer.param_groups:
        group["lr"] = learning_rate_at(
            step, settings["steps"], settings["learning_rate"], settings["warmup_fraction"]
        )
    trainee.optimizer.zero_grad(set_to_none=True)
    losses.total.backward()
    norm = torch.nn.utils.clip_grad_norm_(
        trainee.model.trained_parameters(), settings["gradient_clip"], foreach=False
    ).item()
    if not math.isfinite(norm):
        raise TrainingDiverged(f"the gradient's norm is {norm} at step {step}; the last checkpoint is kept")
    trainee.optimizer.step()
    return values


def _sample(trainee: Trainee, row: int) -> Sample:
    item, index = trainee.index.items[row], trainee.index
    example = trainee.recipe.prompts.example(item["instruction"], item["robot_obs"], item["actions"])
    target = index.targets[row] if index.has_target[row] else None
    if trainee.recipe.config.denoiser is None:
        target = None
    return Sample(example.input_ids, example.labels, index.images[row], target)


def _trainee(context: TaskContext) -> Trainee:
    """From the worker's memory when it holds exactly the checkpoint to go on from, else from files."""
    files = {file.name: file for file in context.resume if file.name in (WEIGHTS, OPTIMIZER)}
    held = context.memory.pop(_MEMORY, None)
    if (
        isinstance(held, Trainee)
        and files
        and (held.checkpoint, held.step)
        == (
            files[WEIGHTS].sha256,
            files[WEIGHTS].step,
        )
    ):
        return held
    settings, seed = context.spec["training"], context.spec["seed"]
    recipe = recipe_of(context.spec)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step, checkpoint = 0, ""
    if files:
        step, checkpoint = files[WEIGHTS].step, files[WEIGHTS].sha256
        model = load_model(recipe.config, files[WEIGHTS].path)
    else:
        model = ReconVLA.initialise(recipe.config, weight_seed(seed))
        if inputs_of(context, "init"):
            start_from(model, one_input(context.inputs, "init", WEIGHTS).path)
    model.to(device).train()
    optimizer = make_optimizer(model, settings["learning_rate"], settings["weight_decay"])
    if files:
        load_optimizer(optimizer, model, files[OPTIMIZER].path)
    return Trainee(recipe, load_index(context.inputs), model, optimizer, device, step, checkpoint)


def _checkpoint(context: TaskContext, trainee: Trainee, points: list[Point]) -> None:
    """Publish the state after `trainee.step` steps, unless it is already there."""
    if trainee.step == context.step:
        return
    began = time.perf_counter()
    weights, optimizer = _files(context.scratch)
    write_weights(weights_of(trainee.model), weights)
    save_optimizer(trainee.optimizer, trainee.model, optimizer)
    digests = context.publish(
        trainee.step,
        [
            Draft("checkpoint", WEIGHTS, weights, final=False),
            Draft("checkpoint", OPTIMIZER, optimizer, final=False),
        ],
        points,
    )
    trainee.checkpoint = digests[WEIGHTS]
    context.spend("checkpoint", time.perf_counter() - began)


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / "weights.safetensors", folder / "optimizer.safetensors"
