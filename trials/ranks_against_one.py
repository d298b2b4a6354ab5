"""Training over 2 and 4 ranks against a plain loop in one process: losses of every step, and the weights.

    python -m trials.ranks_against_one [--json FILE] [--steps 20]

Each with four micro-batches a rank, recomputed activations, clipped gradients and the reconstruction head: in float32,
with products in bf16, and with those and a frozen tower.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from benchmarks.rank_processes import run_ranks
from models.checkpoint import weights_of
from models.reconvla import ReconVLA
from models.sharding import write_gathered
from models.weight_files import open_file
from models.weights import write_weights
from tasks.train.sharded import sharded_step
from tests.tasks.train.one_process import SEED, alone, apart
from tests.tasks.train.rank_process import WAYS, begun, own, parts_of, settings_of, small_config
from trials import RESULTS, keep

RANKS, TURNS = (2, 4), 4
#: Relative, of losses; and of weights the norm of their difference as a share of what training moved them.
LOSSES, WEIGHTS = {"fp32": 1e-6, "bf16": 1e-3}, {"fp32": 1e-4, "bf16": 0.1}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "ranks_against_one.json")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ranks", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank is not None:
        _rank(options.folder, options.rank, options.ranks, options.steps)
        return 0
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "steps": options.steps,
        "turns": TURNS,
        "losses_at_most": LOSSES,
        "weights_at_most": WEIGHTS,
    }
    for ranks in RANKS:
        with tempfile.TemporaryDirectory() as name:
            found[f"{ranks} ranks"] = _over(Path(name), ranks, options.steps)
    keep(options.json, __doc__.splitlines()[0], found)
    print(json.dumps(found, indent=1))
    each = [(way, told) for ranks in RANKS for way, told in found[f"{ranks} ranks"].items()]
    fits = [
        told["losses"] <= LOSSES[WAYS[way][0]] and told["weights"] <= WEIGHTS[WAYS[way][0]]
        for way, told in each
    ]
    return 0 if all(fits) else 1


def _over(folder: Path, ranks: int, steps: int) -> dict[str, dict[str, float]]:
    """The largest difference of a loss, relative, and that of the weights, by way."""
    for frozen in (False, True):
        start = weights_of(ReconVLA(small_config(frozen), SEED))
        write_weights(start, folder / f"start-{frozen}.safetensors")
    command = [
        sys.executable,
        "-m",
        "trials.ranks_against_one",
        "--folder",
        str(folder),
        "--ranks",
        str(ranks),
    ]
    command += ["--steps", str(steps), "--rank"]
    run_ranks(command, ranks)
    found = {}
    for way in WAYS:
        model, losses = alone(way, steps, ranks * TURNS)
        told = json.loads((folder / f"{way}.json").read_text())
        start = weights_of(ReconVLA(model.config, SEED))
        written = open_file(folder / f"{way}.safetensors")
        found[way] = {
            "losses": float(f"{max(abs(a - b) / abs(b) for a, b in zip(told, losses, strict=True)):.2e}"),
            "weights": float(f"{apart(weights_of(model), written, start):.2e}"),
        }
    return found


def _rank(folder: Path, rank: int, ranks: int, steps: int) -> None:
    torch.set_num_threads(1)
    meet = f"file://{folder}/meet"
    dist.init_process_group(
        "gloo", init_method=meet, rank=rank, world_size=ranks, timeout=timedelta(minutes=30)
    )
    mesh = init_device_mesh("cpu", (ranks,))
    for way in WAYS:
        state = begun(folder, mesh, way)
        settings = replace(settings_of(WAYS[way][0]), steps=steps, batch_size=ranks * TURNS)
        losses = [
            sharded_step(state, settings, own(parts_of(state.model.config, step, ranks * TURNS), mesh))[
                "total"
            ]
            for step in range(steps)
        ]
        write_gathered(state.model, folder / f"{way}.safetensors")
        (folder / f"{way}.json").write_text(json.dumps(losses))
        dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
