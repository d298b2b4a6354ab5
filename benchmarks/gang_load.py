"""How long ranks take to load a checkpoint of a model of 300 M parameters, of what reading and hashing its files takes
as many processes.

    python -m benchmarks.gang_load [--ranks 2,4] [--pairs 10]

The ranks have met, torch is imported, the state has its place, and the files are not in the page cache, on both sides.
Loading verifies every file and fills each rank's part of parameters and moments. In alternating pairs; a ratio is
loading by reading and hashing, of the slowest rank each.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from benchmarks.builds import ratio_of
from benchmarks.gang_memory import LARGE, settings_of
from benchmarks.model_memory import made_up_batch
from benchmarks.rank_processes import WEIGHTS, measure_ranks
from models.batches import draw_noise
from models.config import ReconVLAConfig
from models.costs import METHODS, training_costs
from models.sharded_checkpoint import save_sharded
from models.weight_files import open_file
from tasks.train.batches import Counted, count_labels
from tasks.train.sharded import resume, sharded_state, sharded_step

_READ_BYTES = 2**20


def main() -> None:
    measure_ranks("gang_load", ("pairs", 10), LARGE, _rank, _judged, lambda _: {})


def _judged(_config: ReconVLAConfig, _ranks: int, told: list[dict[str, Any]]) -> dict[str, Any]:
    sides = {
        name: [round(max(each), 3) for each in zip(*(one[name] for one in told), strict=True)]
        for name in ("loaded", "read")
    }
    ratios = [one / other for one, other in zip(sides["loaded"], sides["read"], strict=True)]
    return {"mib": told[0]["mib"], "seconds": ratio_of(ratios), "pairs": sides}


def _rank(folder: Path, config: ReconVLAConfig, rank: int, ranks: int, pairs: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    mesh, cpu = init_device_mesh("cpu", (ranks,)), torch.device("cpu")
    weights = open_file(folder / WEIGHTS)
    settings = settings_of(ranks)
    state = sharded_state(config, weights, settings, mesh, cpu, "made up")
    batch = made_up_batch(config, training_costs(config, METHODS[0]).positions, 1)
    draws = draw_noise(config, 1, torch.Generator().manual_seed(0))
    sharded_step(state, settings, [Counted(batch, draws, count_labels(batch), 1)])  # there are moments now
    place = folder / "checkpoint"
    save_sharded(place, state.tensors(), state.step)
    files = sorted(path for path in place.iterdir() if path.suffix == ".safetensors")

    def read() -> None:
        for path in files[rank::ranks]:
            _hashed(path)

    found: dict[str, list[float]] = {"loaded": [], "read": []}
    for pair in range(pairs + 1):
        order: list[tuple[str, Callable[[], object]]] = [
            ("loaded", lambda: resume(state, place)),
            ("read", read),
        ]
        for name, work in order if pair % 2 else reversed(order):
            seconds = _timed(files, rank, work)
            if pair:  # the first of each imports
                found[name].append(seconds)
    told = {**found, "mib": round(sum(path.stat().st_size for path in files) / 2**20)}
    dist.barrier()
    dist.destroy_process_group()
    return told


def _timed(files: list[Path], rank: int, work: Callable[[], object]) -> float:
    """Seconds from where all ranks are ready, and nothing of the files is in memory."""
    if rank == 0:
        for path in files:
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    dist.barrier()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _hashed(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
