"""How long ranks take to load a checkpoint of a model of 300 M parameters, of what reading and hashing its files takes
as many processes.

    python -m benchmarks.gang_load [--ranks 2,4] [--pairs 10]

The ranks have met, torch is imported, the state has its place, and the files are not in the page cache, on both sides.
Loading verifies every file and fills each rank's part of parameters and moments. In alternating pairs; a ratio is
loading by reading and hashing, of the slowest rank each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from benchmarks.builds import ratio_of
from benchmarks.gang_memory import LARGE, settings_of
from benchmarks.machine import describe
from benchmarks.model_memory import made_up_batch
from benchmarks.rank_processes import run_ranks
from models.batches import draw_noise
from models.checkpoint import weights_of
from models.config import ReconVLAConfig
from models.costs import METHODS, training_costs
from models.reconvla import ReconVLA
from models.sharded_checkpoint import save_sharded
from models.sizes import TOY
from models.weight_files import open_file
from models.weights import write_weights
from tasks.train.batches import Counted, count_labels
from tasks.train.sharded import resume, sharded_state, sharded_step

_RESULT = Path(__file__).parent / "results" / "gang_load.json"
_READ_BYTES = 2**20


def main() -> None:
    """Start the ranks, print the ratios, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=_RESULT)
    parser.add_argument("--tiny", action="store_true", help="the toy: shows that it runs")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    config = TOY if arguments.tiny else LARGE
    if arguments.rank is not None:
        _rank(config, arguments.folder, arguments.rank, int(arguments.ranks), arguments.pairs)
        return
    document: dict[str, Any] = {"by_ranks": {}}
    for ranks in map(int, arguments.ranks.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            write_weights(weights_of(ReconVLA(config, 0)), Path(folder) / "weights.safetensors")
            words = ["--folder", folder, "--ranks", str(ranks), "--pairs", str(arguments.pairs)]
            command = [sys.executable, "-m", "benchmarks.gang_load", *words, *["--tiny"] * arguments.tiny]
            run_ranks([*command, "--rank"], ranks)
            told = [json.loads((Path(folder) / f"rank-{rank}.json").read_text()) for rank in range(ranks)]
        document["by_ranks"][str(ranks)] = found = _judged(told)
        print(ranks, found["seconds"], flush=True)
    document["machine"] = describe()
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _judged(told: list[dict[str, Any]]) -> dict[str, Any]:
    sides = {
        name: [round(max(each), 3) for each in zip(*(one[name] for one in told), strict=True)]
        for name in ("loaded", "read")
    }
    ratios = [one / other for one, other in zip(sides["loaded"], sides["read"], strict=True)]
    return {"mib": told[0]["mib"], "seconds": ratio_of(ratios), "pairs": sides}


def _rank(config: ReconVLAConfig, folder: Path, rank: int, ranks: int, pairs: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    mesh, cpu = init_device_mesh("cpu", (ranks,)), torch.device("cpu")
    weights = open_file(folder / "weights.safetensors")
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
    (folder / f"rank-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


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
