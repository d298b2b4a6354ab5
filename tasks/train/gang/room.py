"""Memory of a rank: what it has room for, and that it keeps no more than it uses."""

from __future__ import annotations

from functools import cache

import torch

from models.config import ReconVLAConfig
from models.reconvla import ReconVLA
from settings import given
from settings.allocator import give_back_from
from tasks.specs import TrainSpec
from tasks.train.needs import rank_costs_of

_GIB = 2**30
#: Share of the free memory that is left alone: estimates know nothing of what libraries take for themselves.
_SPARE = 0.2
#: Of models from this size on, freed blocks of this size are given back: page faults are nothing beside their steps.
_LARGE_STATE, _LARGE_BLOCK = 1 << 30, 1 << 20


def can_keep_gathered(spec: TrainSpec, device: torch.device) -> bool:
    """Whether units can stay gathered between the micro-batches of a step, which spares gathering the model twice for
    each of them and changes no bit (`tasks.train.sharded`).

    Of one rank, whose part of the model is loaded. Ranks on the processor have equal shares of what is free.
    """
    settings = spec.training
    if settings.batch_size <= settings.largest_micro_batch * settings.devices:
        return False  # a micro-batch a step: nothing is to be kept for
    costs = rank_costs_of(spec)
    wanted = costs.kept_gathered + (settings.largest_micro_batch - 1) * costs.activations - costs.weights
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0] / _GIB
    else:
        free = given.memory().available / _GIB / settings.devices
        wanted += costs.copied  # lies there too
    return wanted <= free * (1 - _SPARE)


def prepare_memory(config: ReconVLAConfig) -> None:
    """Before the model is loaded."""
    if state_bytes(config) >= _LARGE_STATE:
        give_back_from(_LARGE_BLOCK)


@cache
def state_bytes(config: ReconVLAConfig) -> int:
    """Of weights and moments, whole."""
    with torch.device("meta"):
        return 3 * sum(parameter.numel() * 4 for parameter in ReconVLA(config).parameters())
