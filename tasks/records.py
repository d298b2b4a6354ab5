"""What there is of an ablation, as a report is made of it: plain frozen values, whoever keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from settings.json_values import JsonObject
from tasks.context import Point
from tasks.kind import JobResult, Spec

S = TypeVar("S", bound=Spec)
R = TypeVar("R", bound=JobResult)


@dataclass(frozen=True, slots=True)
class AblationRecord:
    """config: its settings as they were submitted. state: running, succeeded, failed, cancelled or paused. jobs: how
    many are in each state of a job. doing: what is true while it is running (`db.doing`). interrupted_jobs: of those
    that count as running, how many no worker does."""

    id: int
    name: str
    config: JsonObject
    command: str
    state: str
    jobs: Mapping[str, int]
    doing: str = ""
    interrupted_jobs: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One arm with one seed."""

    id: int
    arm: str
    seed: int
    train_job_id: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as an ablation asks for it; one of several runs has a record of each.

    result: None until it has ended well. run_id, arm and seed: None where all runs share it.
    """

    id: int
    kind: str
    label: str
    state: str
    step: int
    spec: Spec
    result: JobResult | None
    run_id: int | None = None
    arm: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One execution of a job. started_at, ended_at: Unix seconds, by the clock of its machine. environment: what it ran
    on (`workers.environment`), None where earlier versions did not record it."""

    job_id: int
    kind: str
    host: str
    started_at: float
    ended_at: float | None
    outcome: str | None
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
class ArtifactRecord:
    """Bytes that a job published. path: relative to the home. final: of the job's end, not of the way."""

    name: str
    path: str
    sha256: str
    bytes: int
    final: bool


@dataclass(frozen=True, slots=True)
class Records:
    """All of one ablation.

    needs: (job, the job it depends on, role). failures: (label, reason) of failed jobs. artifacts: by job, oldest
    first. points: by the job of a run's training, by name and step. grown_at: when people added to it, Unix seconds.
    """

    ablation: AblationRecord
    runs: Sequence[RunRecord]
    jobs: Sequence[JobRecord]
    attempts: Sequence[AttemptRecord]
    needs: Sequence[tuple[int, int, str]]
    failures: Sequence[tuple[str, str]]
    artifacts: Mapping[int, Sequence[ArtifactRecord]]
    points: Mapping[int, Sequence[Point]]
    grown_at: Sequence[float] = ()

    def artifacts_of(self, job: JobRecord) -> Sequence[ArtifactRecord]:
        return self.artifacts.get(job.id, ())


class Find(Protocol):
    def __call__(self, artifact: ArtifactRecord, /) -> Path | None:
        """The file of an artifact, not verified; None where its bytes were cleared away."""


def told(jobs: Iterable[JobRecord], spec: type[S]) -> list[tuple[JobRecord, S]]:
    """Jobs whose parameters are of this class, with these."""
    return [(job, job.spec) for job in jobs if isinstance(job.spec, spec)]


def ended(jobs: Iterable[JobRecord], result: type[R]) -> list[tuple[JobRecord, R]]:
    """Jobs that have a result of this class, with it."""
    return [(job, job.result) for job in jobs if isinstance(job.result, result)]
