"""Kinds of job whose parameters and results are whatever a test likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from settings.json_values import Json, JsonObject
from tasks.context import Draft, Finished, Note, Point, TaskContext, Yielded
from tasks.kind import JobResult, Kind, Spec
from tasks.registry import KINDS, AnyKind

Result = Finished[Any] | Yielded
Body = Callable[[TaskContext[Any]], Result]


@dataclass(frozen=True)
class ToySpec(Spec):
    """Read like a mapping; what a queue asks of parameters is in the places where real ones have it."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, otherwise: object = None) -> Any:
        return self.values.get(name, otherwise)

    @property
    def time_slice(self) -> float | None:
        return self.get("slice_seconds")

    @property
    def cpu_threads(self) -> int | None:
        return self.get("training", {}).get("threads", self.get("threads"))

    @property
    def processes(self) -> int:
        return int(self.get("training", {}).get("devices", 1))

    def divided_over(self, processes: int) -> ToySpec:
        return ToySpec({**self.values, "training": {**self.get("training", {}), "devices": processes}})

    @property
    def at_once(self) -> int:
        return int(self.get("simulators", 1))

    @property
    def samples_at_once(self) -> int | None:
        return self.get("training", {}).get("batch_size")

    def row(self) -> dict[str, Json]:
        return dict(self.values)


@dataclass(frozen=True)
class ToyResult(JobResult):
    values: Mapping[str, Any]

    def row(self) -> dict[str, Json]:
        return dict(self.values)


@dataclass(frozen=True, kw_only=True)
class ToyKind(Kind[Any, Any]):
    """function: the body itself; None: the one that `body` names."""

    function: Body | None = None

    def load_body(self) -> Body:
        return self.function or super().load_body()

    def spec_of(self, values: JsonObject) -> Any:
        return ToySpec(values)

    def result_of(self, values: JsonObject) -> Any:
        return ToyResult(values)


def toy_kind(name: str, body: str = "", function: Body | None = None) -> AnyKind:
    return ToyKind(
        name=name, specs=(ToySpec,), results=(ToyResult,), body=body, resource="cpu", priority=50, version=1,
        makes=("checkpoint",), function=function,
    )  # fmt: skip


def kind_with(function: Body) -> Callable[[str], AnyKind]:
    """For an executor whose every job runs `function`: a real body is given what its kind is given."""

    def kind_of(name: str) -> AnyKind:
        real = getattr(function, "__module__", "").startswith("tasks.")
        return KINDS[name] if real else toy_kind(name, function=function)

    return kind_of


def done(
    artifacts: Sequence[Draft] = (),
    points: Sequence[Point] = (),
    result: Mapping[str, Any] | None = None,
    step: int | None = None,
    notes: Sequence[Note] = (),
) -> Finished[ToyResult]:
    return Finished(artifacts, points, step, notes, result=ToyResult(result or {}))
