"""What the ranks of one attempt are told, as one JSON file that all of them read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from settings import files
from settings.json_values import JsonObject
from settings.regular import read_text
from settings.typed_json import Items, Real, Whole, from_json, to_json
from tasks.context import InputFile
from tasks.train.early_stopping import EvaluationPoint


@dataclass(frozen=True, kw_only=True)
class ReadFile:
    """An `InputFile`; whoever reads frames verifies them (`tasks.context.FRAMES`)."""

    role: str
    kind: str
    name: str
    path: str
    reference: str
    sha256: str
    step: Whole

    def input_file(self) -> InputFile:
        return InputFile(
            self.role, self.kind, self.name, Path(self.path), self.reference, self.sha256, self.step
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An `EvaluationPoint`; of_demonstrations: (number, loss)."""

    step: Whole
    loss: Real
    error: Real
    of_demonstrations: Items[Items[Real]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """spec: the job's row. inputs: what it reads. resume: folder of the checkpoint to go on from, of `step`, or None at
    the start; it is that of ranks, or has the two files of one device (`tasks.train.state`).
    micro_batch: what attempts learned (`MemoryLimits`). measured: what earlier attempts measured for early stopping.
    folder: for what the ranks write. device: kind of each rank's."""

    spec: JsonObject
    inputs: Items[ReadFile]
    resume: str | None
    step: Whole
    micro_batch: Items[Items[Whole]]
    measured: Items[Measured]
    folder: str
    ranks: Whole
    device: Literal["cpu", "cuda"]

    def write(self, path: Path) -> None:
        files.write(path, json.dumps(to_json(self)))

    def history(self) -> list[EvaluationPoint]:
        return [
            EvaluationPoint(
                one.step, one.loss, one.error, {int(number): loss for number, loss in one.of_demonstrations}
            )
            for one in self.measured
        ]


def read_order(path: Path) -> Order:
    return from_json(Order, json.loads(read_text(path)), "order of a rank")


def as_read(file: InputFile) -> ReadFile:
    return ReadFile(
        role=file.role,
        kind=file.kind,
        name=file.name,
        path=str(file.path.absolute()),
        reference=file.reference,
        sha256=file.sha256,
        step=file.step,
    )


def as_measured(history: Sequence[EvaluationPoint]) -> tuple[Measured, ...]:
    return tuple(
        Measured(
            step=point.step,
            loss=point.loss,
            error=point.error,
            of_demonstrations=tuple((float(n), loss) for n, loss in sorted(point.of_demonstrations.items())),
        )
        for point in history
    )
