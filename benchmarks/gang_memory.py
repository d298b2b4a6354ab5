"""Memory of each rank of a model of 300 M random parameters, and how long its checkpoints stop the loop.

python -m benchmarks.gang_memory [--ranks 2,4] [--steps 2]

Peak resident memory less what was resident before the model, while it is read from a safetensors file and in steps
with one sample, against 1.15 times: a rank's share of float32 parameters, gradients and moments, the two largest units
as they are gathered, activations. Then the state is saved between two steps, synced to the disk, and the same state
again beside a step: what stops the loop is the begin of a save and the wait for its copy. The second save has its
memory already.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from benchmarks.model_memory import made_up_batch
from benchmarks.rank_processes import WEIGHTS, measure_ranks
from experiments.reconvla.named_config import load_config
from models.batches import draw_noise
from models.config import ReconVLAConfig
from models.costs import METHODS, training_costs
from models.reconvla import ReconVLA
from models.sharded_checkpoint import read_manifest, save_sharded
from models.sizes import TOY
from models.units import units_of
from models.weight_files import open_file
from settings.typed_json import from_json
from tasks.specs import TrainingSpec
from tasks.train.batches import Counted, count_labels
from tasks.train.gang.room import prepare_memory
from tasks.train.gang.saving import ShardWriter
from tasks.train.sharded import sharded_state, sharded_step

#: Of the bound: what a rank may have above what its tensors take.
OVER = 1.15
_MIB = 2**20
_SAVES = 3

LARGE = replace(
    TOY,
    vision=replace(TOY.vision, image_size=48, width=512, layers=4, heads=8, mlp_width=2048),
    language=replace(
        TOY.language, vocab_size=8192, action_vocab_size=8192, hidden=1024, layers=22, heads=16, kv_heads=4,
        mlp_width=3072, tied_embeddings=False,
    ),
    denoiser=replace(TOY.denoiser, width=256),
)  # fmt: skip


def main() -> None:
    measure_ranks(
        "gang_memory", ("steps", 2), LARGE, _rank, _judged, lambda config: {"model": _sizes(config)}
    )


def _sizes(config: ReconVLAConfig) -> dict[str, Any]:
    """Bytes: of all parameters and of trained ones, in float32; of the two largest units as they are gathered; of
    activations."""
    costs = training_costs(config, METHODS[0])
    with torch.device("meta"):
        model = ReconVLA(config)
    every, sizes, inside = sum(p.numel() for p in model.parameters()), list[int](), 0
    for unit in units_of(model):
        count = sum(parameter.numel() for parameter in unit.module.parameters())
        inside += count
        sizes.append(count * (2 if unit.half else 4))
    sizes.append((every - inside) * 4)
    return {
        "parameters": every,
        "trained_parameters": costs.trained_parameters,
        "two_largest_units_mib": round(sum(sorted(sizes)[-2:]) / _MIB, 1),
        "activations_mib": round(costs.activations * 1024, 1),
    }


def _judged(config: ReconVLAConfig, ranks: int, told: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = _sizes(config)
    share = (4 * sizes["parameters"] + 12 * sizes["trained_parameters"]) / ranks / _MIB
    bound = OVER * (share + sizes["two_largest_units_mib"] + sizes["activations_mib"])
    loading, training = ([each[name] for each in told] for name in ("loading_mib", "training_mib"))
    saves: dict[str, Any] = {
        name: max(each[name] for each in told) for name in ("stopped", "written", "inline")
    }
    return {
        "bound_mib": round(bound),
        "loading_mib": loading,
        "training_mib": training,
        "of_bound": round(max(*loading, *training) / bound, 3),
        "with_copies_mib": [each["with_copies_mib"] for each in told],
        "seconds": {name: [round(second, 3) for second in seconds] for name, seconds in saves.items()},
        "stopped_share": [
            round(one / two, 4) for one, two in zip(saves["stopped"], saves["inline"], strict=True)
        ],
        "equal_digests": all(each["equal"] for each in told),
    }


def _rank(folder: Path, config: ReconVLAConfig, rank: int, ranks: int, steps: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    mesh, cpu, settings = init_device_mesh("cpu", (ranks,)), torch.device("cpu"), settings_of(ranks)
    positions = training_costs(config, METHODS[0]).positions
    batch = made_up_batch(config, positions, 1)
    draws = draw_noise(config, 1, torch.Generator().manual_seed(0))
    own = [Counted(batch, draws, count_labels(batch), 1)]
    prepare_memory(config)
    dist.barrier()
    before = _resident("VmRSS", anew=True)
    state = sharded_state(config, open_file(folder / WEIGHTS), settings, mesh, cpu, "made up")
    loading = _resident("VmHWM", anew=True) - before
    for _ in range(steps):
        sharded_step(state, settings, own)
    training = _resident("VmHWM") - before
    found: dict[str, list[float]] = {"inline": [], "stopped": [], "written": []}
    writer, equal = ShardWriter(state, timedelta(hours=1)), list[bool]()

    def save(number: int) -> None:
        dist.barrier()
        seconds, digest = timed(lambda: save_sharded(folder / "inline", state.tensors(), state.step))
        found["inline"].append(seconds)
        dist.barrier()
        beside, waited = folder / f"beside-{number}", list[float]()
        began, _ = timed(lambda: writer.begin(beside, lambda _, took: found["written"].append(took)))
        sharded_step(state, settings, own, lambda: waited.append(timed(writer.await_copy)[0]))
        writer.finish()
        found["stopped"].append(began + sum(waited))
        equal.append(read_manifest(beside).digest == digest)
        dist.barrier()
        if rank == 0:
            shutil.rmtree(folder / "inline")
            shutil.rmtree(beside)

    for number in range(_SAVES):
        save(number)
    told = {
        "loading_mib": round(loading / _MIB, 1),
        "training_mib": round(training / _MIB, 1),
        "with_copies_mib": round((_resident("VmHWM") - before) / _MIB, 1),
        "equal": all(equal),
        **found,
    }
    dist.barrier()
    dist.destroy_process_group()
    return told


def settings_of(ranks: int) -> TrainingSpec:
    """Of one sample a micro-batch and rank, with products in bf16 and recomputed activations."""
    settings = load_config("quick", None, ()).training.model_dump(mode="json")
    settings |= {
        "steps": 10**6,
        "open_loop": None,
        "early_stopping": None,
        "batch_size": ranks,
        "micro_batch": 1,
    }
    settings |= {"devices": ranks, "over": "ranks", "precision": "bf16", "gradient_checkpointing": True}
    return from_json(TrainingSpec, settings, "training")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, what it gave)."""
    began = time.perf_counter()
    given = work()
    return time.perf_counter() - began, given


def _resident(name: str, *, anew: bool = False) -> int:
    """Bytes, as the kernel counts this process's resident memory: now (VmRSS), or at its peak (VmHWM) since the last
    time that it was begun `anew`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    return found


if __name__ == "__main__":
    main()
