"""What one optimization step is fed: a function of (seed, step) and the size of a micro-batch alone.

It is made ahead of need by another thread (`tasks.train.prefetch`), so it touches neither model nor optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import torch

from models.batches import Batch, Draws, collate, draw_noise
from models.prompt import IGNORED_LABEL
from models.randomness import batch_rows, draw_seed
from models.recipe import Recipe
from models.reconvla import reconstructed
from tasks.data.index_reader import Index
from tasks.data.samples import sample_of
from tasks.specs import TrainSpec


@dataclass(frozen=True)
class Part:
    """A micro-batch, with its shares of the global batch's labels and reconstruction targets."""

    batch: Batch
    draws: Draws | None
    label_share: float
    target_share: float


def prepare(
    recipe: Recipe,
    index: Index,
    spec: TrainSpec,
    step: int,
    micro_batch: int,
    *,
    pinned: bool = False,
    pool: Executor | None = None,
) -> list[Part]:
    """The micro-batches of `step`.

    pinned: in memory that a GPU copies from while it computes. pool: threads that compose the pictures side by
    side; what comes out is the same.
    """
    config, size = recipe.config, spec.training.batch_size
    rows = batch_rows(spec.seed, step, len(index), size)
    each = map if pool is None else pool.map
    samples = list(each(lambda row: sample_of(recipe, index, int(row)), rows))
    draws = draw_noise(config, size, torch.Generator().manual_seed(draw_seed(spec.seed, step)))
    batches = [
        collate(samples[first : first + micro_batch], config, recipe.pad_id)
        for first in range(0, size, micro_batch)
    ]
    labels = [count_labels(batch) for batch in batches]
    targets = [int(reconstructed(config, batch).sum()) for batch in batches]
    parts, first = [], 0
    for batch, own_labels, own_targets in zip(batches, labels, targets, strict=True):
        own_draws = None if draws is None else draws_of(draws, size, first, first + len(batch))
        first += len(batch)
        if pinned:
            batch = batch.pinned()
            own_draws = None if own_draws is None else own_draws.pinned()
        parts.append(Part(batch, own_draws, own_labels / sum(labels), own_targets / max(1, sum(targets))))
    return parts


def micro_batch_at(step: int, batch_size: int, schedule: Sequence[Sequence[int]]) -> int:
    """Samples per forward pass at `step`. schedule: [first step, size] pairs that attempts learned."""
    size = batch_size
    for first, learned in schedule:
        if first <= step:
            size = min(size, learned)
    return size


def count_labels(batch: Batch) -> int:
    """Positions whose next token is predicted: what the action loss is a mean over."""
    return int((batch.labels[:, 1:] != IGNORED_LABEL).sum())


def draws_of(draws: Draws, batch_size: int, first: int, last: int) -> Draws:
    """The draws of samples first..last-1 of a batch; its repeats follow one another."""
    repeats = len(draws.timesteps) // batch_size
    noise = draws.noise.unflatten(0, (repeats, batch_size))[:, first:last].flatten(0, 1)
    timesteps = draws.timesteps.unflatten(0, (repeats, batch_size))[:, first:last].flatten()
    latent = None if draws.latent_noise is None else draws.latent_noise[first:last]
    return Draws(timesteps, noise, latent)
