"""One optimization step: a function of what `tasks.train.batches` prepared, and of the weights before it.

The global batch is always the same; micro-batches only bound the memory. Their gradients add up to that of
the global batch (each is weighted by its share of labels and of targets), in another order of sums: the bits
of the weights depend on the micro-batch, which is therefore recorded step by step (`micro_batch_at`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from errors import TrainingDiverged
from models.precision import autocast, check_scale
from models.short_training import short_losses
from tasks.specs import TrainingSpec
from tasks.train.batches import Part
from tasks.train.optimizer import learning_rate_at
from tasks.train.state import TrainState


def train_step(
    train_state: TrainState,
    settings: TrainingSpec,
    parts: Sequence[Part],
    before_update: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """One optimization step. Returns its losses by name. Raises TrainingDiverged for NaN or infinity.

    before_update: called when gradients are there, before weights or optimizer change.
    """
    step, scaler = train_state.step, train_state.scaler
    for parameter in train_state.parameters:
        parameter.grad = None
    sums: list[dict[str, Tensor]] = []
    for part in parts:
        with autocast(settings.precision, train_state.device):
            loss, values = _loss(train_state, part)
        scaler.scale(loss).backward()
        sums.append(values)
    # Read only now: each reading waits for the device.
    losses: dict[str, float] = {}
    for values in sums:
        for name, value in values.items():
            losses[name] = losses.get(name, 0.0) + value.item()
    for name, total in losses.items():
        if not math.isfinite(total):
            raise TrainingDiverged(f"the {name} loss is {total} at step {step}; the last checkpoint is kept")
    for group in train_state.optimizer.param_groups:
        group["lr"] = learning_rate_at(step, settings.steps, settings.learning_rate, settings.warmup_fraction)
    scaler.unscale_(train_state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(
        train_state.parameters, settings.gradient_clip, foreach=False
    ).item()
    if not math.isfinite(norm) and not (scaler.is_enabled() and _overflowed(train_state)):
        raise TrainingDiverged(f"the gradient's norm is {norm} at step {step}; the last checkpoint is kept")
    before_update()
    scaler.step(train_state.optimizer)  # left out where scaled gradients overflowed
    scaler.update()
    check_scale(scaler, step)
    return losses


def _overflowed(train_state: TrainState) -> bool:
    """Whether gradients are not finite themselves, which a smaller scale may mend, and not only their norm."""
    gradients = (parameter.grad for parameter in train_state.parameters)
    return any(grad is not None and not bool(grad.isfinite().all()) for grad in gradients)


def _loss(train_state: TrainState, part: Part) -> tuple[Tensor, dict[str, Tensor]]:
    """A micro-batch's share of the loss, and the same by name, detached."""
    device, config = train_state.device, train_state.recipe.config
    draws = None if part.draws is None else part.draws.to(device)
    model, batch = train_state.model, part.batch.to(device)
    losses = short_losses(model, batch, draws) if train_state.short else model(batch, draws)
    loss = losses.action * part.label_share
    values = {"action": loss.detach()}
    if losses.reconstruction is not None:
        assert config.denoiser is not None
        reconstruction = losses.reconstruction * part.target_share
        loss = loss + config.denoiser.loss_weight * reconstruction
        values["reconstruction"] = reconstruction.detach()
    return loss, {"total": loss.detach(), **values}
