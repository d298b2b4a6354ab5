"""Steps per second of a training job against a plain PyTorch loop on the same model and batch size.

python -m benchmarks.train_throughput --steps 8 --rounds 40

The job reads its index, composes pictures, draws its noise, checks its losses and asks at every step whether to
stop. The plain loop is forward, backward, clipping and AdamW on one batch that is ready in memory, by the libraries'
own modules, where a job of a small model computes in few operations (`models.short_training`). Both run in turns in
one process, so that they meet the same machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import truediv
from pathlib import Path
from typing import Any

import torch

from benchmarks import made_up_index
from benchmarks.machine import describe
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_model, planned_stage
from experiments.reconvla.named_config import load_config
from models.batches import collate, draw_noise
from models.recipe import initial_model, recipe_of
from tasks.context import Draft, InputFile, Point
from tasks.data.index_reader import load_index
from tasks.data.samples import sample_of
from tasks.memory_limits import MemoryLimits
from tasks.specs import TrainSpec
from tasks.train import run as train
from tasks.train.optimizer import make_optimizer

_RESULT = Path(__file__).parent / "results" / "train_throughput.json"


class Context:
    """A task context that keeps nothing: stops the body after `slice_steps` and notes when each step ended."""

    memory_limits = MemoryLimits()
    reached = 0

    def __init__(self, spec: TrainSpec, inputs: Sequence[InputFile], scratch: Path) -> None:
        self.spec, self.inputs, self.scratch = spec, inputs, scratch
        self.memory: dict[str, Any] = {}
        self.resume: tuple[InputFile, ...] = ()
        self.step = 0
        self.ends: list[float] = []
        self.slice_steps = 0
        self.waited = 0.0  # seconds that steps waited for their input, the first one aside

    def should_stop(self) -> str | None:
        return "slice" if len(self.ends) > self.slice_steps else None

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        self.ends.append(time.perf_counter())

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        self.step = step
        self.resume = tuple(
            InputFile("resume", draft.kind, draft.name, draft.file, draft.name, draft.name, step)
            for draft in artifacts
        )
        return {draft.name: draft.name for draft in artifacts}

    def points(self, name: str) -> Sequence[Point]:
        return ()

    def spend(self, bucket: str, seconds: float) -> None:
        if bucket == "idle" and self.ends:
            self.waited += seconds

    def report_save(self, seconds: float) -> None:
        pass

    def run_slice(self, steps: int) -> float:
        """Seconds a step, over `steps` steps after a first one that is not counted."""
        self.ends, self.slice_steps, self.waited = [], steps, 0.0
        train.run(self)  # type: ignore[arg-type]
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def main() -> None:
    """Alternate slices of both, print the median ratio of neighbours, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--arm", default="recon")
    parser.add_argument("--steps", type=int, default=8, help="steps a slice")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--set", action="append", default=[], help="key.path=value, as for submit-ablation")
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    config = load_config(arguments.preset, None, tuple(arguments.set))
    settings = config.training
    method = built_in_method(arguments.arm)
    model = planned_model(
        config.model, {}, method, settings.reconstruction_weight, [made_up_index.INSTRUCTION]
    )
    training = replace(
        planned_stage(settings, "training", model.config),
        steps=10**6, checkpoint_seconds=1e6, open_loop=None,
    )  # fmt: skip
    spec = TrainSpec(
        model=model, training=training, seed=0, slice_seconds=1e6, drawn_by=None, drawn_basis=None
    )
    seconds: dict[str, list[float]] = {"job": [], "plain": []}
    waited: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        inputs = made_up_index.write(Path(folder), arguments.frames)
        context = Context(spec, inputs, Path(folder))
        plain = _plain_loop(spec, inputs)
        context.run_slice(2 * arguments.frames // settings.batch_size)  # every picture has been composed
        plain(2)
        for _ in range(arguments.rounds):
            seconds["job"].append(context.run_slice(arguments.steps))
            waited.append(context.waited / arguments.steps)
            seconds["plain"].append(plain(arguments.steps))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    document = {
        "preset": arguments.preset,
        "arm": arguments.arm,
        "settings": arguments.set,
        "batch_size": settings.batch_size,
        "steps_per_second": {name: round(1 / value, 3) for name, value in medians.items()},
        "ratio": round(statistics.median(map(truediv, seconds["plain"], seconds["job"])), 3),
        "input_wait_seconds_per_step": round(statistics.median(waited), 6),
        "seconds_per_step": {name: [round(v, 5) for v in values] for name, values in seconds.items()},
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    shown = ("steps_per_second", "ratio", "input_wait_seconds_per_step")
    print(json.dumps({name: document[name] for name in shown}))


def _plain_loop(spec: TrainSpec, inputs: Sequence[InputFile]) -> Any:
    """A function of a number of steps that gives seconds a step."""
    settings, recipe = spec.training, recipe_of(spec.model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(settings.threads)
    model = initial_model(recipe, spec.model, 0).to(device).train()
    optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay)
    index = load_index(inputs, recipe.config.vision.image_size)
    samples = [sample_of(recipe, index, row) for row in range(settings.batch_size)]
    batch = collate(samples, recipe.config, recipe.pad_id).to(device)
    drawn = draw_noise(recipe.config, len(batch), torch.Generator().manual_seed(0))
    draws = None if drawn is None else drawn.to(device)

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            model(batch, draws).total.backward()
            torch.nn.utils.clip_grad_norm_(model.trained_parameters(), settings.gradient_clip, foreach=False)
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / steps

    return run


if __name__ == "__main__":
    main()
