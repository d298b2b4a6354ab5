"""What there is of an ablation, as a report is made of it: plain frozen values, whoever keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from tasks.kind import JobResult, Spec

S = TypeVar("S", bound=Spec)
R = TypeVar("R", bound=JobResult)


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


def told(jobs: Iterable[JobRecord], spec: type[S]) -> list[tuple[JobRecord, S]]:
    """Jobs whose parameters are of this class, with these."""
    return [(job, job.spec) for job in jobs if isinstance(job.spec, spec)]


def ended(jobs: Iterable[JobRecord], result: type[R]) -> list[tuple[JobRecord, R]]:
    """Jobs that have a result of this class, with it."""
    return [(job, job.result) for job in jobs if isinstance(job.result, result)]
