"""What one optimization step is fed: a function of (seed, step) and the size of a micro-batch alone.

It is made ahead of need by another thread (`tasks.train.prefetch`), so it touches neither model nor optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
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


@dataclass(frozen=True)
class Counted:
    """A micro-batch, and how many of the global batch's labels and reconstruction targets it holds."""

    batch: Batch
    draws: Draws | None
    labels: int
    targets: int

    def share(self, labels: int, targets: int) -> Part:
        """labels, targets: of the global batch."""
        return Part(self.batch, self.draws, self.labels / labels, self.targets / max(1, targets))


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
    counted = prepare_own(recipe, index, spec, step, micro_batch, 0, 1, pinned=pinned, pool=pool)
    labels, targets = sum(part.labels for part in counted), sum(part.targets for part in counted)
    return [part.share(labels, targets) for part in counted]


def prepare_own(
    recipe: Recipe,
    index: Index,
    spec: TrainSpec,
    step: int,
    micro_batch: int,
    rank: int,
    ranks: int,
    *,
    pinned: bool = False,
    pool: Executor | None = None,
) -> list[Counted]:
    """Of the micro-batches of `step` those whose number modulo `ranks` is the rank. No other picture is composed.

    Every rank gets as many: one that has none left gets its last one again, or the last one of all, and nothing of that
    is counted.
    """
    config, size = recipe.config, spec.training.batch_size
    rows = batch_rows(spec.seed, step, len(index), size)
    firsts = range(0, size, micro_batch)
    own = firsts[rank::ranks] or firsts[-1:]
    asked = [rows[first : first + micro_batch] for first in own]
    each = map if pool is None else pool.map
    samples = iter(list(each(lambda row: sample_of(recipe, index, int(row)), np.concatenate(asked))))
    draws = draw_noise(config, size, torch.Generator().manual_seed(draw_seed(spec.seed, step)))
    parts = []
    for first, some in zip(own, asked, strict=True):
        batch = collate(list(islice(samples, len(some))), config, recipe.pad_id)
        labels, targets = count_labels(batch), int(reconstructed(config, batch).sum())
        own_draws = None if draws is None else draws_of(draws, size, first, first + len(batch))
        if pinned:
            batch = batch.pinned()
            own_draws = None if own_draws is None else own_draws.pinned()
        parts.append(Counted(batch, own_draws, labels, targets))
    counted, turns = len(firsts[rank::ranks]), -(-len(firsts) // ranks)
    return [*parts[:counted], *[replace(parts[-1], labels=0, targets=0)] * (turns - counted)]


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
