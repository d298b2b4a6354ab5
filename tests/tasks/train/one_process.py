"""What training over ranks is compared with: the same steps by a plain loop in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from models.precision import autocast
from models.reconvla import ReconVLA
from tasks.train.optimizer import learning_rate_at, make_optimizer
from tests.tasks.train.rank_process import STEPS, WAYS, parts_of, settings_of, small_config

SEED = 3
#: Its gradient is 0 but for rounding (a softmax does not see it), and AdamW makes steps of that.
NOISE = "k_proj.bias"


def alone(way: str, steps: int = STEPS, samples: int = 7) -> tuple[ReconVLA, list[float]]:
    """The steps of `tests.tasks.train.rank_process` by a plain loop in one process, and their losses."""
    precision, frozen = WAYS[way]
    config, settings = small_config(frozen), replace(settings_of(precision), steps=max(steps, STEPS))
    model = ReconVLA(config, SEED).train()
    model.recompute_activations()
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    losses = []
    assert config.denoiser is not None
    for step in range(steps):
        optimizer.zero_grad()
        total = 0.0
        counted = parts_of(config, step, samples)
        labels, targets = sum(part.labels for part in counted), sum(part.targets for part in counted)
        for part in (each.share(labels, targets) for each in counted):
            with autocast(precision, torch.device("cpu")):
                given = model(part.batch, part.draws)
            loss = given.action * part.label_share
            if given.reconstruction is not None:
                loss = loss + config.denoiser.loss_weight * given.reconstruction * part.target_share
            loss.backward()
            total += loss.item()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(
                step, settings.steps, settings.learning_rate, settings.warmup_fraction
            )
        torch.nn.utils.clip_grad_norm_(model.trained_parameters(), settings.gradient_clip)
        optimizer.step()
        losses.append(total)
    return model, losses


def apart(one: Mapping[str, Tensor], other: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> float:
    """The norm of the difference of two sets of weights, as a share of what training moved the first from `start`."""
    names = [name for name in start if not name.endswith(NOISE)]
    apart = sum((one[name] - other[name]).square().sum().item() for name in names)
    moved = sum((one[name] - start[name]).square().sum().item() for name in names)
    assert moved > 1e-3, "it was trained"
    return (apart / moved) ** 0.5
