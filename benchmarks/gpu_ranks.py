"""One rank of a training over several devices, on one GPU: what of it a processor cannot tell.

The model is divided over a group of one, so that FSDP2's hooks, NCCL's group beside gloo's and the copies of a
checkpoint on their way to host memory are those of many ranks. A section of `benchmarks.gpu_day`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from benchmarks.gang_memory import settings_of, timed
from benchmarks.model_memory import made_up_batch
from models.batches import draw_noise
from models.checkpoint import weights_of
from models.config import ReconVLAConfig
from models.costs import METHODS, training_costs
from models.reconvla import ReconVLA
from models.sharding import write_gathered
from models.sizes import SIZES
from tasks.train.batches import Counted, count_labels
from tasks.train.gang.saving import ShardWriter
from tasks.train.sharded import ShardedState, resume, sharded_state, sharded_step

_STEPS, _SAVED_AT = 6, 3


def ranks(dry: bool) -> dict[str, Any]:
    """Steps, a checkpoint beside them, and the same weights from that checkpoint on."""
    size, device = ("toy", "cpu") if dry else ("small", "cuda")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = "gloo" if dry else "cuda:nccl,cpu:gloo"
        dist.init_process_group(backend, init_method=f"file://{folder}/meet", rank=0, world_size=1)
        try:
            found = _found(SIZES[size], init_device_mesh(device, (1,)), torch.device(device), folder)
        finally:
            dist.destroy_process_group()
    peak = None if dry else round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return {"size": size, **found, "peak_gib": peak}


def _found(config: ReconVLAConfig, mesh: DeviceMesh, device: torch.device, folder: Path) -> dict[str, Any]:
    settings = replace(settings_of(1), steps=_STEPS)
    weights = weights_of(ReconVLA(config, 0))
    batch = made_up_batch(config, training_costs(config, METHODS[0]).positions, 1)
    draws = draw_noise(config, 1, torch.Generator().manual_seed(0))
    own = [Counted(batch, draws, count_labels(batch), 1)]
    seconds, waited = list[float](), list[float]()

    def begun() -> ShardedState:
        return sharded_state(config, weights, settings, mesh, device, "made up")

    def step(state: ShardedState, before: Callable[[], None] = lambda: None) -> None:
        seconds.append(timed(lambda: sharded_step(state, settings, own, before))[0])

    state = begun()
    writer = ShardWriter(state, timedelta(minutes=5))
    for _ in range(_SAVED_AT):
        step(state)
    stopped, _ = timed(lambda: writer.begin(folder / "checkpoint", lambda *_: None))
    step(state, lambda: waited.append(timed(writer.await_copy)[0]))
    written, _ = timed(writer.finish)
    while state.step < _STEPS:
        step(state)
    calm = _digest(state, folder / "calm.safetensors")
    state = begun()
    resume(state, folder / "checkpoint")
    while state.step < _STEPS:
        step(state)
    return {
        "equal": _digest(state, folder / "resumed.safetensors") == calm,
        "step_seconds": round(min(seconds), 4),
        "stopped_seconds": round(stopped + sum(waited), 4),
        "written_after_the_step_seconds": round(written, 4),
    }


def _digest(state: ShardedState, path: Path) -> str:
    write_gathered(state.model, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
