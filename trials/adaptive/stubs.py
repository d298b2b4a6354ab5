"""`cli.py` whose jobs take no time: a training draws how good its model is, an evaluation plays it back.

What a model is follows from its job's parameters alone, as with real bodies: the learning rate names the ablation and
the arm, the seed the model.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import cli
from settings.json_values import Json
from tasks.context import Draft, Finished, TaskContext, one_input
from tasks.kind import JobResult, Spec
from tasks.registry import EVALUATE, KINDS, PRETRAIN, TRAIN
from tasks.specs import ClosedLoopSpec, TrainSpec
from workers import processes, supervisor

SEQUENCES = 100
#: Learning rates of ablation i: the baseline's, and the other arm's half a unit further.
UNIT = 0.001
#: Points by which the other arm is better, ablation by ablation and again from the beginning.
POINTS = (0, 8, 18, 30, -30)
BASE, SCATTER = 50.0, 8.0
_SECONDS = 0.02


def rates(ablation: int) -> tuple[float, float]:
    """Learning rates of the two arms."""
    return UNIT * (ablation + 1), UNIT * (ablation + 1.5)


def points_of(learning_rate: float, seed: int) -> int:
    """How many of 100 sequences a model begins with a success."""
    halves = round(2 * learning_rate / UNIT)
    better = POINTS[(halves // 2 - 1) % len(POINTS)] if halves % 2 else 0
    drawn = np.random.default_rng([halves, seed]).standard_normal()
    return int(np.clip(round(BASE + better + SCATTER * drawn), 0, SEQUENCES))


@dataclass(frozen=True)
class Nothing(JobResult):
    """What a kind says in the end that nobody asks."""

    values: Mapping[str, Json] = field(default_factory=dict)

    def row(self) -> dict[str, Json]:
        return dict(self.values)


def do_nothing(context: TaskContext[Spec]) -> Finished[Nothing]:
    time.sleep(_SECONDS)
    return Finished([], result=Nothing())


def train(context: TaskContext[TrainSpec]) -> Finished[Nothing]:
    time.sleep(_SECONDS)
    file = context.scratch / "model.json"
    file.write_text(json.dumps(points_of(context.spec.training.learning_rate, context.spec.seed)))
    return Finished([Draft("checkpoint", "model", file)], result=Nothing())


def evaluate(context: TaskContext[Spec]) -> Finished[Nothing]:
    time.sleep(_SECONDS)
    spec = context.spec
    if not isinstance(spec, ClosedLoopSpec):
        return Finished([], result=Nothing({
            "mode": "open_loop", "frames": 0, "mean_absolute_error": 0.0, "gripper_accuracy": None,
            "outside_tokens": None, "action_loss": None, "answer_tokens": None,
        }))  # fmt: skip
    points = json.loads(one_input(context.inputs, "checkpoint", "model").path.read_text())
    entries: list[Json] = [
        {"sequence": number, "done": int(number < points), "steps": 1, "tasks": None, "actions": ""}
        for number in range(spec.first, spec.last)
    ]
    return Finished([], result=Nothing({
        "mode": "closed_loop", "results": entries, "scene": spec.scene, "simulator": spec.simulator,
        "simulator_description": None, "policy_batch": None, "counts": {}, "success": [0.0] * 5, "avg_len": 0.0,
        "tasks": {},
    }))  # fmt: skip


def install() -> None:
    """Let this process run the stand-ins."""
    bodies = {TRAIN.name: train, PRETRAIN.name: train, EVALUATE.name: evaluate}
    for name, kind in list(KINDS.items()):
        KINDS[name] = replace(kind, body=f"trials.adaptive.stubs:{bodies.get(name, do_nothing).__name__}")


if __name__ == "__main__":
    install()
    supervisor.CLI = Path(__file__)
    processes.import_bodies = lambda _resource: None  # they need nothing
    sys.exit(cli.main())
