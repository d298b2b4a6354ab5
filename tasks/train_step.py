"""One optimization step: a function of (seed, step), the weights before it, and the size of a micro-batch.

The global batch is always the same; micro-batches only bound the memory. Their gradients add up to that of
the global batch (each is weighted by its share of labels and of targets), in another order of sums: the bits
of the weights depend on the micro-batch, which is therefore recorded step by step (`micro_batch_at`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from errors import TrainingDiverged
from models.batches import Batch, Draws, Sample, collate, draw_noise
from models.prompt import IGNORED_LABEL, IMAGE_PLACEHOLDER
from tasks import samples as index_samples
from tasks.index_reader import Index
from tasks.optimizer import learning_rate_at
from tasks.randomness import batch_rows, draw_seed
from tasks.trainee import Trainee


def micro_batch_at(step: int, batch_size: int, schedule: Sequence[Sequence[int]]) -> int:
    """Samples per forward pass at `step`. schedule: [first step, size] pairs that attempts learned."""
    size = batch_size
    for first, learned in schedule:
        if first <= step:
            size = min(size, learned)
    return size


def train_step(trainee: Trainee, spec: Mapping[str, Any], micro_batch: int) -> dict[str, float]:
    """One optimization step. Returns its losses by name. Raises TrainingDiverged for NaN or infinity."""
    settings, step, seed = spec["training"], trainee.step, spec["seed"]
    config, size = trainee.recipe.config, settings["batch_size"]
    rows = batch_rows(seed, step, len(trainee.index), size)
    draws = draw_noise(config, size, torch.Generator().manual_seed(draw_seed(seed, step)))
    samples = [sample_of(trainee, trainee.index, int(row)) for row in rows]
    parts = [
        (collate(samples[first : first + micro_batch], config, trainee.recipe.pad_id), first)
        for first in range(0, size, micro_batch)
    ]
    labels = [count_labels(batch) for batch, _ in parts]
    targets = [count_targets(batch) for batch, _ in parts]
    trainee.optimizer.zero_grad(set_to_none=True)
    values = {"total": 0.0, "action": 0.0}
    for (batch, first), of_labels, of_targets in zip(parts, labels, targets, strict=True):
        part_draws = None if draws is None else draws_of(draws, size, first, first + len(batch))
        losses = trainee.model(
            batch.to(trainee.device), None if part_draws is None else part_draws.to(trainee.device)
        )
        share = of_labels / sum(labels)
        loss = losses.action * share
        values["action"] += losses.action.item() * share
        if losses.reconstruction is not None:
            assert config.denoiser is not None
            share = of_targets / sum(targets)
            loss = loss + config.denoiser.loss_weight * losses.reconstruction * share
            values["reconstruction"] = (
                values.get("reconstruction", 0.0) + losses.reconstruction.item() * share
            )
        values["total"] += loss.item()
        loss.backward()
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingDiverged(f"the {name} loss is {value} at step {step}; the last checkpoint is kept")
    for group in trainee.optimizer.param_groups:
        group["lr"] = learning_rate_at(
            step, settings["steps"], settings["learning_rate"], settings["warmup_fraction"]
        )
    norm = torch.nn.utils.clip_grad_norm_(
        trainee.model.trained_parameters(), settings["gradient_clip"], foreach=False
    ).item()
    if not math.isfinite(norm):
        raise TrainingDiverged(f"the gradient's norm is {norm} at step {step}; the last checkpoint is kept")
    trainee.optimizer.step()
    return values


def sample_of(trainee: Trainee, index: Index, row: int) -> Sample:
    """Row `row` of an index as the model's training sample."""
    return index_samples.sample_of(trainee.recipe, index, row)


def count_labels(batch: Batch) -> int:
    """Positions whose next token is predicted: what the action loss is a mean over."""
    return int((batch.labels[:, 1:] != IGNORED_LABEL).sum())


def count_targets(batch: Batch) -> int:
    """Samples with a trusted gaze region: what the reconstruction loss is a mean over."""
    return int((batch.target_mask & (batch.input_ids == IMAGE_PLACEHOLDER).any(dim=1)).sum())


def draws_of(draws: Draws, batch_size: int, first: int, last: int) -> Draws:
    """The draws of samples first..last-1 of a batch; its repeats follow one another."""
    repeats = len(draws.timesteps) // batch_size
    noise = draws.noise.unflatten(0, (repeats, batch_size))[:, first:last].flatten(0, 1)
    timesteps = draws.timesteps.unflatten(0, (repeats, batch_size))[:, first:last].flatten()
    latent = None if draws.latent_noise is None else draws.latent_noise[first:last]
    return Draws(timesteps, noise, latent)
