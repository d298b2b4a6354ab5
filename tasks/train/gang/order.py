"""What the ranks of one attempt are told, as one JSON file that all of them read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from settings import files
from settings.json_values import Json, JsonObject
from settings.regular import is_there, read_text
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
    folder: for what the ranks write. device: kind of each rank's. each: how many of the ranks are on this machine, and
    on each other one. meets: address and port of the store where ranks of several machines meet; None on one."""

    spec: JsonObject
    inputs: Items[ReadFile]
    resume: str | None
    step: Whole
    micro_batch: Items[Items[Whole]]
    measured: Items[Measured]
    folder: str
    ranks: Whole
    device: Literal["cpu", "cuda"]
    each: Whole
    meets: str | None = None

    def write(self, path: Path) -> None:
        files.write(path, json.dumps(to_json(self)))

    def history(self) -> list[EvaluationPoint]:
        return [
            EvaluationPoint(
                one.step, one.loss, one.error, {int(number): loss for number, loss in one.of_demonstrations}
            )
            for one in self.measured
        ]

    def told(self) -> dict[str, Json]:
        """What other machines make theirs of (`order_elsewhere`)."""
        values = to_json(self)
        assert isinstance(values, dict)
        return {name: value for name, value in values.items() if name not in _OF_A_MACHINE}


#: Of an order, what each machine has of its own.
_OF_A_MACHINE = ("inputs", "resume", "folder")


def order_elsewhere(told: JsonObject, inputs: Sequence[InputFile], resume: str | None, folder: Path) -> Order:
    """Another machine's order, of what the first one told and of its own files."""
    own = {"inputs": to_json([as_read(file) for file in inputs]), "resume": resume, "folder": str(folder)}
    return from_json(Order, {**told, **own}, "what the first machine of an attempt told")


def linked(files: Sequence[InputFile], scratch: Path) -> str:
    """A folder with the files of the checkpoint to go on from, under the names that they were written with."""
    folder = scratch.absolute() / "resumed"
    folder.mkdir()
    for file in files:
        (folder / file.name).symlink_to(file.path.absolute())
    return str(folder)


def read_order(path: Path) -> Order:
    return from_json(Order, json.loads(read_text(path)), "order of a rank")


def as_read(file: InputFile) -> ReadFile:
    """Ranks have no store to fetch from: what is not here yet is by then. Raises ArtifactDamaged."""
    if file.verify is not None and not is_there(file.path):
        file.verify()
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
