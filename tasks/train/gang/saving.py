"""A rank's part of checkpoints that training hardly notices: copied beside forward and backward passes, and written
beside the steps after them. Ranks agree on a checkpoint by connections of its own, so that neither waits for a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from models.sharded_checkpoint import save_sharded
from tasks.train.checkpoints import Beside, Snapshot
from tasks.train.sharded import ShardedState

_PART = "part"


class ShardWriter(Beside):
    """Writes checkpoints of one rank's state. Every rank has to make one, and to use it alike."""

    def __init__(self, state: ShardedState, timeout: timedelta, each: int | None = None) -> None:
        """each: how many ranks are on one machine; None: all."""
        super().__init__()
        self._state, self._each = state, each
        self._group = dist.new_group(backend="gloo", timeout=timeout)
        ranks = state.mesh.size()
        self._mesh = state.mesh if state.device.type == "cpu" else init_device_mesh("cpu", (ranks,))
        self._snapshot = Snapshot()

    def begin(self, folder: Path, saved: Callable[[int, float], None]) -> None:
        """Save the state as it is now to `folder`; `await_copy` before it changes. Waits for the save before, and
        raises what that raised.

        saved: called by the thread that writes, with step and seconds, when all ranks have written.
        """
        self.finish()
        began, step, tensors = time.perf_counter(), self._state.step, self._state.tensors()
        own = {
            (_PART, name): tensor.to_local() if isinstance(tensor, DTensor) else tensor
            for name, tensor in tensors.items()
        }

        def copy() -> dict[tuple[str, str], Tensor]:
            if self._state.device.type == "cuda":
                torch.cuda.set_device(
                    self._state.device
                )  # each thread has one of its own, and the first to begin with
            return self._snapshot.take(own)

        def write(copies: dict[tuple[str, str], Tensor]) -> None:
            divided = {name: self._divided(copies[_PART, name], like) for name, like in tensors.items()}
            save_sharded(folder, divided, step, group=self._group, each=self._each, moved=self._state.moved)
            saved(step, time.perf_counter() - began)

        self.start(copy, write, wait=False)

    def _divided(self, copy: Tensor, like: Tensor) -> Tensor:
        """The copy of a rank's part, as a part of the whole."""
        if not isinstance(like, DTensor):
            return copy
        return DTensor.from_local(
            copy, self._mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
        )
