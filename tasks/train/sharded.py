"""One optimization step over the ranks of a process group: a function of the same parts as `tasks.train.step`.

Each rank has micro-batches of its own (`tasks.train.batches.prepare_own`) and runs as many as the others, as what
gathers parameters has to be called by all of them; so the denoiser runs where no sample has a trusted region too.
Gradients are summed over ranks in float32 after every
micro-batch. Weights depend on the number of ranks, not on their timing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from errors import CheckpointError, ConfigError, TrainingDiverged
from models.batches import Batch, Draws
from models.checkpoint import weights_of
from models.config import ReconVLAConfig
from models.precision import autocast
from models.reconvla import ReconVLA, reconstructed
from models.sharded_checkpoint import load_sharded, read_manifest
from models.sharding import fill_shards, nothing_of, part_like, shard
from models.weight_files import WeightFiles
from tasks.specs import TrainingSpec
from tasks.train.batches import Counted, Part
from tasks.train.optimizer import learning_rate_at, load_optimizer, make_optimizer, optimizer_state
from tasks.train.sharded_update import clip, update

#: Beginnings of names in a checkpoint.
_WEIGHTS, _OPTIMIZER = "weights/", "optimizer/"


class ShareOfLoss(nn.Module):
    """What is called in place of the model: a micro-batch's share of the global loss. The same units run whatever the
    micro-batch holds."""

    def __init__(self, model: ReconVLA) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, batch: Batch, draws: Draws | None, shares: Callable[[], Part]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(total, action, reconstruction), scalars; the last is 0 without a denoiser or a trusted region. shares: asked
        only where they are needed, as they come from all ranks."""
        model = self.model
        crops = batch.crops
        if crops is None and model.config.grounding == "crop":  # other ranks may have one
            crops = torch.zeros_like(batch.images)
        hidden = model.hidden_states(batch.input_ids, batch.attention_mask, batch.images, crops)
        part = shares()
        action = model.action_loss(hidden, batch.labels) * part.label_share
        denoiser = model.config.denoiser
        if denoiser is None or draws is None:
            return action, action, action.new_zeros(())
        targets = torch.zeros_like(batch.images) if batch.targets is None else batch.targets
        losses = model.reconstruction_losses(hidden, batch.input_ids, targets, draws)
        if batch.target_weights is not None:
            losses = losses * batch.target_weights
        trusted = reconstructed(model.config, batch)
        mean = losses.where(trusted, losses.new_zeros(())).sum() / trusted.sum().clamp_min(1)
        # Times zero, not left out: its units have to run backward on every rank.
        counted = 0.0 * losses.sum() if not bool(trusted.any()) else mean
        reconstruction = counted * part.target_share
        return action + denoiser.loss_weight * reconstruction, action, reconstruction


@dataclass
class ShardedState:
    """A model in training over ranks. `step` steps are done. word: what this rank has to tell all others with the next
    step, a small number, and after it the sum of what they told. moved: called as bytes of it
    are read or written."""

    model: ReconVLA
    loss: ShareOfLoss
    units: Sequence[FSDPModule]
    optimizer: torch.optim.AdamW
    mesh: DeviceMesh
    device: torch.device
    step: int = 0
    word: int = 0
    moved: Callable[[], object] = lambda: None

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint holds, not copied: parameters and buffers, moments and their step counts, by name."""
        weights = weights_of(self.model)
        moments = optimizer_state(self.optimizer, self.model)
        return {f"{_WEIGHTS}{name}": tensor for name, tensor in weights.items()} | {
            f"{_OPTIMIZER}{name}": tensor for name, tensor in moments.items()
        }


def sharded_state(
    config: ReconVLAConfig,
    weights: Mapping[str, Tensor] | None,
    settings: TrainingSpec,
    mesh: DeviceMesh,
    device: torch.device,
    source: str,
    moved: Callable[[], object] = lambda: None,
) -> ShardedState:
    """A model at its beginning, of which no rank ever holds more than its part and one tensor (`models.sharding`).

    weights: of a checkpoint of one process; None where `resume` gives them. Raises ConfigError for adapters and fp16,
    which are trained on one device, CheckpointError for weights that do not fit.
    """
    if settings.lora is not None:
        raise ConfigError("training.lora is trained on one device: set training.devices to 1")
    with torch.device("meta"):
        model = ReconVLA(config)
    if settings.gradient_checkpointing:
        model.recompute_activations()
    loss = ShareOfLoss(model.train())
    units = shard(model, loss, mesh, settings.precision)
    fill_shards(model, nothing_of(model) if weights is None else weights, source, device, moved)
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    return ShardedState(model, loss, units, optimizer, mesh, device, moved=moved)


def resume(state: ShardedState, folder: Path) -> None:
    """Go on from a checkpoint of any number of ranks. Raises as `load_sharded` does."""
    held = read_manifest(folder).tensors
    _empty_moments(state, {name for name in held if name.startswith(_OPTIMIZER)})
    state.step = load_sharded(folder, state.tensors(), state.moved).step


def resume_of_one(state: ShardedState, held: WeightFiles, step: int) -> None:
    """Go on from a checkpoint of one device, whose weights the state was made of. held: its optimizer's state, of which
    each rank reads its part. Raises CheckpointError where it does not fit."""
    tensors: dict[str, Tensor] = {}
    parameters = dict(state.model.named_parameters())
    for name, stored in held.stored.items():
        state.moved()
        parameter = parameters.get(name.rpartition("/")[0])
        if isinstance(parameter, DTensor) and not name.endswith("/step"):
            if tuple(stored.shape) != tuple(parameter.shape):
                raise CheckpointError(f"{name} of one device's optimizer has another shape than the model's")
            tensors[name] = part_like(parameter, held, name, state.device)
        else:
            tensors[name] = held[name]
    load_optimizer(state.optimizer, state.model, tensors, "the optimizer of one device")
    state.step = step


def _empty_moments(state: ShardedState, held: Set[str]) -> None:
    """Room for moments and step counts that a checkpoint fills: nothing has them before the first step, and what never
    got a gradient has none."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in state.model.named_parameters():
        if parameter.requires_grad and f"{_OPTIMIZER}{name}/step" in held:
            tensors[f"{name}/step"] = torch.zeros(1)
            tensors[f"{name}/exp_avg"] = torch.empty_like(parameter, requires_grad=False)
            tensors[f"{name}/exp_avg_sq"] = torch.empty_like(parameter, requires_grad=False)
    load_optimizer(state.optimizer, state.model, tensors, "no moments")


@contextmanager
def measured(state: ShardedState, precision: str) -> Iterator[ReconVLA]:
    """The model as it can be called outside of a step, by all ranks alike and after a first step: what belongs to no
    unit of its own is gathered meanwhile."""
    edges = state.units[-1]
    edges.unshard()
    try:
        with autocast(precision, state.device):
            yield state.model
    finally:
        edges.reshard()


def sharded_step(
    state: ShardedState,
    settings: TrainingSpec,
    own: Sequence[Counted],
    before_update: Callable[[], None] = lambda: None,
    *,
    keep_gathered: bool = False,
) -> dict[str, float]:
    """One optimization step; `own` are this rank's micro-batches, and every rank has as many. Returns its losses by
    name, the same on all ranks.

    before_update: called when gradients are there, before weights or optimizer change. keep_gathered: units stay
    gathered from their first use in the step to their last, so that each is gathered once a step and not twice a
    micro-batch; it takes the model's size in memory, in the type of products. Raises TrainingDiverged for NaN or
    infinity, on all ranks.
    """
    of_all = _OfAllRanks(own)
    sums = torch.zeros(4, dtype=torch.float64, device=state.device)
    sums[3] = state.word
    state.optimizer.zero_grad(set_to_none=True)
    for turn, counted in enumerate(own, 1):
        _keep(state.units, keep_gathered, last=turn == len(own))
        batch = counted.batch.to(state.device)
        draws = None if counted.draws is None else counted.draws.to(state.device)
        with autocast(settings.precision, state.device):
            losses = state.loss(batch, draws, partial(of_all.share, counted))
        losses[0].backward()
        sums[:3] += torch.stack([loss.detach().double() for loss in losses])
    group = state.mesh.get_group()
    # Both sums are under way together: each would wait for the other ranks by itself.
    adding = _sum_over_ranks(sums, group)
    norm = clip(state.model.trained_parameters(), settings.gradient_clip, group)
    adding.wait()
    *totals, word = sums.tolist()
    state.word = int(word)
    values = dict(zip(("total", "action", "reconstruction"), totals, strict=True))
    if state.model.config.denoiser is None or not of_all.targets:
        del values["reconstruction"]
    for name, total in values.items():
        if not math.isfinite(total):
            raise TrainingDiverged(
                f"the {name} loss is {total} at step {state.step}; the last checkpoint is kept"
            )
    for trained in state.optimizer.param_groups:
        trained["lr"] = learning_rate_at(
            state.step, settings.steps, settings.learning_rate, settings.warmup_fraction
        )
    if not math.isfinite(size := norm.item()):
        raise TrainingDiverged(
            f"the gradient's norm is {size} at step {state.step}; the last checkpoint is kept"
        )
    before_update()
    update(state.optimizer)
    state.step += 1
    return values


class _OfAllRanks:
    """How many labels and reconstruction targets the global batch has; known some time after each rank told its own."""

    def __init__(self, own: Sequence[Counted]) -> None:
        self._counts = torch.tensor([sum(part.labels for part in own), sum(part.targets for part in own)])
        # In host memory, by gloo: no device is waited for.
        self._adding = _sum_over_ranks(self._counts)

    def share(self, counted: Counted) -> Part:
        self._adding.wait()
        labels, targets = self._counts.tolist()
        return counted.share(labels, targets)

    @property
    def targets(self) -> int:
        self._adding.wait()
        return int(self._counts[1])


def _sum_over_ranks(tensor: Tensor, group: dist.ProcessGroup | None = None) -> dist.Work:
    """Begins to add it up in place; it is the sum when what is returned was waited for."""
    adding = dist.all_reduce(tensor, group=group, async_op=True)
    assert adding is not None
    return adding


def _keep(units: Sequence[FSDPModule], keep_gathered: bool, *, last: bool) -> None:
    """What happens to gathered units behind their forward and backward passes of this micro-batch."""
    for unit in units:
        unit.set_reshard_after_forward(not keep_gathered and unit is not units[-1], recurse=False)
        unit.set_reshard_after_backward(not keep_gathered or last, recurse=False)
