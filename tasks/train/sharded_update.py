"""Clipping and AdamW over what a rank holds of each tensor.

torch does the same where it is given DTensors, bit for bit, but looks at each of them anew in Python, which was a tenth
of a toy's step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim.adamw import adamw

#: As torch.nn.utils.clip_grad_norm_ has it.
_LEAST_NORM = 1e-6


@torch.no_grad()
def clip(parameters: Sequence[nn.Parameter], most: float, group: dist.ProcessGroup) -> Tensor:
    """Scale the gradients so that their norm over all ranks is at most `most`. Returns the norm that they had, a
    scalar; NaN or infinity make gradients NaN. Every rank has to call it."""
    gradients = [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
    squares = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]) ** 2
    dist.all_reduce(squares, group=group)
    total = torch.linalg.vector_norm(squares**0.5)
    factor = torch.clamp(most / (total + _LEAST_NORM), max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)
    return total


@torch.no_grad()
def update(optimizer: torch.optim.AdamW) -> None:
    """What `optimizer.step()` does, whose state is as that leaves it."""
    for group in optimizer.param_groups:
        learning = [parameter for parameter in group["params"] if parameter.grad is not None]
        states = [optimizer.state[parameter] or _begin(optimizer, parameter) for parameter in learning]
        beta1, beta2 = group["betas"]
        adamw(
            [local(parameter) for parameter in learning],
            [local(parameter.grad) for parameter in learning],
            [local(state["exp_avg"]) for state in states],
            [local(state["exp_avg_sq"]) for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def _begin(optimizer: torch.optim.AdamW, parameter: nn.Parameter) -> dict[str, Tensor]:
    """The state of a parameter at its first gradient."""
    optimizer.state[parameter] = {
        "step": torch.zeros((), device=parameter.device),
        "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
    }
    return optimizer.state[parameter]


def local(tensor: Tensor) -> Tensor:
    """What this rank holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
