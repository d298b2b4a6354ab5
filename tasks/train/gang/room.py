"""Whether a rank has the memory to keep units gathered between the micro-batches of a step, which spares gathering the
model twice for each of them and changes no bit (`tasks.train.sharded`)."""

from __future__ import annotations

import torch

from settings import given
from tasks.specs import TrainSpec
from tasks.train.needs import rank_costs_of

_GIB = 2**30
#: Share of the free memory that is left alone: estimates know nothing of what libraries take for themselves.
_SPARE = 0.2


def can_keep_gathered(spec: TrainSpec, device: torch.device) -> bool:
    """Of one rank, whose part of the model is loaded. Ranks on the processor have equal shares of what is free."""
    settings = spec.training
    if settings.batch_size <= settings.largest_micro_batch * settings.devices:
        return False  # a micro-batch a step: nothing is to be kept for
    costs = rank_costs_of(spec)
    wanted = costs.kept_gathered + (settings.largest_micro_batch - 1) * costs.activations - costs.weights
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0] / _GIB
    else:
        free = given.memory().available / _GIB / settings.devices
    return wanted <= free * (1 - _SPARE)
