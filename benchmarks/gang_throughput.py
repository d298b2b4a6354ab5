"""Two gloo ranks of a training job against a plain FSDP2 loop on the same model and batch.

python -m benchmarks.gang_throughput --steps 2 --pairs 10 [--size toy]

Ours compose their pictures, draw noise, add up shares, check losses and hear what is asked. The plain loop is forward,
backward, clipping and AdamW on one micro-batch a rank that is ready in memory, of a model that `fully_shard` divided by
the same units with its own defaults. Both run in turns in the same two processes. Pictures are brought to size before,
as they are kept from the first epoch on; what the first one costs more is told by sample. A step of `middle` takes
about a second of the processors, one of the toy a fifth; beside seconds on the clock stand those of the processors,
both ranks together, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard

from benchmarks import made_up_index
from benchmarks.builds import ratio_of
from benchmarks.machine import describe
from benchmarks.rank_processes import run_ranks
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_model
from experiments.reconvla.named_config import load_config
from models.checkpoint import weights_of
from models.recipe import initial_model, recipe_of
from models.units import units_of
from settings.json_values import JsonObject
from settings.typed_json import from_json
from tasks.data.index_reader import Index, load_index
from tasks.specs import TrainingSpec, TrainSpec
from tasks.train.batches import prepare_own
from tasks.train.gang.rank import Asked
from tasks.train.gang.words import Teller
from tasks.train.optimizer import make_optimizer
from tasks.train.sharded import sharded_state, sharded_step

RANKS = 2
_RESULT = Path(__file__).parent / "results" / "gang_throughput.json"
_CPU = torch.device("cpu")

#: What differs from the toy, by size.
_SIZES: dict[str, JsonObject] = {
    "middle": {
        "vision": {"width": 192, "layers": 4, "heads": 3, "mlp_width": 768},
        "language": {"hidden": 256, "layers": 4, "mlp_width": 768},
        "denoiser": {"width": 96},
    },
    "toy": {},
}

#: Does so many steps.
Loop = Callable[[int], None]


def main() -> None:
    """Start the ranks, print the ratio of neighbours with its interval, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2, help="steps a turn")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--size", choices=tuple(_SIZES), default="middle")
    parser.add_argument("--out", type=Path, default=_RESULT)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rank is not None:
        _rank(arguments.folder, arguments.rank, arguments.size, arguments.steps, arguments.pairs)
        return
    with tempfile.TemporaryDirectory() as folder:
        made_up_index.write(Path(folder), 64)
        command = [sys.executable, "-m", "benchmarks.gang_throughput", "--folder", folder]
        command += ["--size", arguments.size, "--steps", str(arguments.steps)]
        run_ranks([*command, "--pairs", str(arguments.pairs), "--rank"], RANKS)
        told = [
            json.loads((Path(folder) / f"seconds-{rank}.json").read_text(encoding="utf-8"))
            for rank in range(RANKS)
        ]
    seconds, busy = told[0]["seconds"], _added([each["busy"] for each in told])
    document = {
        "size": arguments.size,
        "steps_per_second": {name: round(1 / statistics.median(of), 3) for name, of in seconds.items()},
        **_plain_by_ours(seconds),
        "of_processors": _plain_by_ours(busy),
        "seconds_per_step": {name: [round(value, 5) for value in of] for name, of in seconds.items()},
        "processor_seconds_per_step": {name: [round(value, 5) for value in of] for name, of in busy.items()},
        "first_epoch_seconds_per_sample": round(told[0]["first"], 5),
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    shown = ("steps_per_second", "ratio", "interval_95", "of_processors")
    print(json.dumps({name: document[name] for name in shown}))


def _added(of_ranks: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    return {
        name: [sum(turn) for turn in zip(*(each[name] for each in of_ranks), strict=True)]
        for name in of_ranks[0]
    }


def _plain_by_ours(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return ratio_of([plain / ours for ours, plain in zip(seconds["ours"], seconds["plain"], strict=True)])


def _rank(folder: Path, rank: int, size: str, steps: int, pairs: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    mesh, spec = init_device_mesh("cpu", (RANKS,)), _spec(size)
    index = load_index(made_up_index.inputs_of(folder), recipe_of(spec.model).config.vision.image_size)
    first = _composed(index)
    loops = {"ours": _ours(spec, index, mesh), "plain": _plain(spec, index, mesh)}
    for loop in loops.values():
        loop(2)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    busy: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(pairs):
        for name in list(loops)[:: 1 if number % 2 else -1]:
            dist.barrier()
            began, used = time.perf_counter(), time.process_time()
            loops[name](steps)
            busy[name].append((time.process_time() - used) / steps)
            dist.barrier()
            seconds[name].append((time.perf_counter() - began) / steps)
    told = {"seconds": seconds, "busy": busy, "first": first}
    (folder / f"seconds-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    dist.barrier()
    dist.destroy_process_group()


def _composed(index: Index) -> float:
    """Processor seconds that the pictures of a row took."""
    began = time.process_time()
    for row in range(len(index)):
        index.images[row], index.targets[row]
    return (time.process_time() - began) / len(index)


def _spec(size: str) -> TrainSpec:
    """A model of preset `quick` over two ranks, with one micro-batch each."""
    config = load_config("quick", None, ())
    settings = config.training.model_dump(mode="json")
    settings |= {"steps": 10**6, "open_loop": None, "devices": RANKS, "over": "ranks", "threads": RANKS}
    model = planned_model(
        config.model.model_copy(update={"override": _SIZES[size]}),
        {},
        built_in_method("recon"),
        settings["reconstruction_weight"],
        [made_up_index.INSTRUCTION],
    )
    training = from_json(TrainingSpec, settings, "training")
    return TrainSpec(
        model=model, training=training, seed=0, slice_seconds=1e6, drawn_by=None, drawn_basis=None
    )


def _ours(spec: TrainSpec, index: Index, mesh: DeviceMesh) -> Loop:
    recipe, settings, rank = recipe_of(spec.model), spec.training, mesh.get_local_rank()
    weights = weights_of(initial_model(recipe, spec.model, 0))
    state = sharded_state(recipe.config, weights, settings, mesh, _CPU, "made up")
    silent, size = os.open(os.devnull, os.O_RDWR), settings.largest_micro_batch
    teller, hears = Teller(silent), Asked(silent)

    def run(steps: int) -> None:
        for _ in range(steps):
            state.word = hears.now() if rank == 0 else 0
            own = prepare_own(recipe, index, spec, state.step, size, rank, RANKS)
            losses = sharded_step(state, settings, own)
            teller.say("step", step=state.step, losses=dict(losses))

    return run


def _plain(spec: TrainSpec, index: Index, mesh: DeviceMesh) -> Loop:
    recipe, settings = recipe_of(spec.model), spec.training
    model = initial_model(recipe, spec.model, 0).train()
    for unit in units_of(model):
        fully_shard(unit.module, mesh=mesh)
    whole = set() if model.latents is None else set(model.latents.parameters())
    fully_shard(model, mesh=mesh, ignored_params=whole)
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    (part,) = prepare_own(recipe, index, spec, 0, settings.largest_micro_batch, mesh.get_local_rank(), RANKS)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            model(part.batch, part.draws).total.backward()
            torch.nn.utils.clip_grad_norm_(model.trained_parameters(), settings.gradient_clip, foreach=False)
            optimizer.step()

    return run


if __name__ == "__main__":
    main()
