"""One batch over several devices of a worker: copies of the model, gradients added in a fixed order.

Micro-batch k goes to device k modulo their number; each device adds up its own gradients, then the first adds
those of the others in order. Weights therefore depend on the number of devices, but not on their timing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from errors import EnvironmentLacks
from models.reconvla import ReconVLA


def devices_for(count: int) -> list[torch.device]:
    """The first `count` devices of this worker. Raises EnvironmentLacks when it has fewer GPUs."""
    if not torch.cuda.is_available():
        if count > 1:
            raise EnvironmentLacks(f"training.devices is {count}, and this worker has no GPU")
        return [torch.device("cpu")]
    if count > torch.cuda.device_count():
        raise EnvironmentLacks(
            f"training.devices is {count}, and this worker has {torch.cuda.device_count()}: start it with"
            " CUDA_VISIBLE_DEVICES naming as many"
        )
    return [torch.device("cuda", number) for number in range(count)]


class Replicas:
    """The model that is trained, `first`, and copies of it on the other devices."""

    def __init__(self, first: ReconVLA, devices: Sequence[torch.device]) -> None:
        self.devices = list(devices)
        self.models = [first, *(copy.deepcopy(first).to(device) for device in devices[1:])]

    def __len__(self) -> int:
        return len(self.models)

    @torch.no_grad()
    def spread(self) -> None:
        """Give every copy the weights of the first, and no gradients. Call before a step."""
        for model in self.models:
            for parameter in model.trained_parameters():
                parameter.grad = None
        for model in self.models[1:]:
            for own, given in zip(
                model.trained_parameters(), self.models[0].trained_parameters(), strict=True
            ):
                own.copy_(given, non_blocking=True)

    @torch.no_grad()
    def gather(self) -> None:
        """Add the gradients of the copies to those of the first. Call after the last backward pass."""
        for model in self.models[1:]:
            for sums, given in zip(
                self.models[0].trained_parameters(), model.trained_parameters(), strict=True
            ):
                if given.grad is None:
                    continue
                moved = given.grad.to(sums.device)
                sums.grad = moved if sums.grad is None else sums.grad.add_(moved)
