"""Rows as frozen values: what leaves `db` of the tables. Rows of one question alone are defined beside it.

A value's fields are the columns of the statement that it is read with, in that order. JSON stays plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from itertools import starmap
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, Executable

from settings.json_values import JsonObject

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class AblationRow:
    """`intent`: active, paused or cancelled. `job_count`: of all jobs that it asks for."""

    id: int
    key: str
    name: str
    intent: str
    job_count: int
    config: JsonObject
    command: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One arm with one seed."""

    id: int
    arm: str
    seed: int
    train_job_id: int


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as an ablation asks for it. `run_id`, `arm` and `seed` are None where all runs share it; a job of several
    runs has a row of each."""

    id: int
    key: str
    kind: str
    version: int | None
    label: str
    spec: JsonObject
    state: str
    step: int
    result: JsonObject | None
    run_id: int | None
    arm: str | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class JobStanding:
    """What a job is called and how far it is."""

    id: int
    label: str
    state: str
    step: int
    target_steps: int


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that has not ended, with its parameters."""

    kind: str
    label: str
    spec: JsonObject


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One execution of a job, with the job's kind, and name and host of its worker. Seconds as `db.schema.Attempt`."""

    job_id: int
    kind: str
    worker: str
    host: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    reason: str | None
    step_from: int
    step_to: int | None
    environment: JsonObject | None
    useful_seconds: float
    replayed_seconds: float
    checkpoint_seconds: float
    load_seconds: float
    idle_seconds: float
    took_seconds: float | None


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """Bytes in the store. `path` is relative to the home. `final`: of the end of its job, not of the way."""

    sha256: str
    name: str
    path: str
    bytes: int
    job_id: int
    final: bool


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A figure that a job measured at a step, and when that was committed (Unix seconds)."""

    name: str
    step: int
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """An entry of the event log. `at`: Unix seconds."""

    id: int
    at: float
    kind: str
    message: str
    ablation_id: int | None
    job_id: int | None
    attempt_id: int | None
    worker_id: int | None
    data: JsonObject | None


@dataclass(frozen=True, slots=True)
class FileRow:
    """An artifact that an attempt may read: its file, relative to the home, and the step that it is of."""

    kind: str
    name: str
    path: str
    sha256: str
    step: int


@dataclass(frozen=True, slots=True)
class NeededRow(FileRow):
    """The same of a job that another depends on, for which it plays the role."""

    role: str


def read_rows(
    tx: Connection, kind: type[Value], statement: Executable, parameters: Mapping[str, object] | None = None
) -> list[Value]:
    """What the statement gives, each row as one `kind`; an empty list where it gives none."""
    found = tx.execute(statement, parameters)
    assert tuple(found.keys()) == names_of(kind), f"{kind.__name__} is not what {tuple(found.keys())} make"
    return list(starmap(kind, found))


@cache
def names_of(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """Names of the fields, in order."""
    return tuple(field.name for field in fields(kind))


def plain(row: DataclassInstance) -> dict[str, object]:
    """The fields by name, in order, as JSON shows them; values that are rows themselves stay so."""
    return {name: getattr(row, name) for name in names_of(type(row))}
