"""Rows as the records that reports are made of."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from db import queries
from db.absent import no_ablation, nothing_submitted
from db.engine import Database
from db.held import attendance
from db.rows import AblationRow
from db.standings import standing
from db.store import ArtifactStore
from errors import InvalidInput
from settings.queue import queue_settings
from tasks.context import Point
from tasks.job_records import records_of_jobs
from tasks.records import (
    AblationRecord,
    ArtifactRecord,
    AttemptRecord,
    Find,
    JobRecord,
    Records,
    RunRecord,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound="DataclassInstance")


def records_of(database: Database, ablation: str | int | None) -> Records:
    """Everything there is of an ablation now.

    ablation: id, name or key, as `queries.ablation_row`; None for the newest. Raises InvalidInput where there is none,
    and for parameters that nothing can be made of.
    """
    row = queries.ablation_row(database, ablation)
    if row is None:
        raise InvalidInput(no_ablation(database, ablation) if ablation else nothing_submitted(database))
    runs = [_as(RunRecord, run) for run in queries.runs_of(database, row.id)]
    # First: work goes on meanwhile, and what a job that has ended published is there whenever that is looked for.
    found = job_records(database, row.id)
    artifacts: dict[int, list[ArtifactRecord]] = {}
    for artifact in queries.artifacts_of(database, row.id):
        artifacts.setdefault(artifact.job_id, []).append(_as(ArtifactRecord, artifact))
    return Records(
        ablation=ablation_record(database, row),
        runs=runs,
        jobs=found,
        attempts=[_as(AttemptRecord, attempt) for attempt in queries.attempts_of(database, row.id)],
        needs=queries.dependencies_of(database, row.id),
        failures=queries.failures(database, row.id),
        artifacts=artifacts,
        points={
            run.train_job_id: [
                Point(metric.name, metric.step, metric.value)
                for metric in queries.metrics_of(database, run.train_job_id)
            ]
            for run in runs
        },
        grown_at=queries.growths(database, row.id),
    )


def job_records(database: Database, ablation_id: int) -> list[JobRecord]:
    """All jobs of an ablation, in their order. Raises InvalidInput for parameters that nothing can be made of."""
    return records_of_jobs(queries.jobs_of(database, ablation_id))


def found_in(store: ArtifactStore) -> Find:
    """Artifacts by their records."""

    def find(artifact: ArtifactRecord) -> Path | None:
        return store.find(artifact.path, artifact.sha256)

    return find


def ablation_record(database: Database, row: AblationRow) -> AblationRecord:
    """The ablation, and whether anybody works on it now."""
    found = standing(database, row.id)
    (whole,) = found.ablations
    who = attendance(
        database,
        {worker.id: worker.heartbeat_age_seconds for worker in found.workers},
        queue_settings().lease_seconds,
        starting=any(session.lives for session in found.sessions),
    )
    return AblationRecord(
        row.id, row.name, row.config, row.command, whole.state, whole.jobs,
        who.doing(whole.state, whole.jobs, row.id), who.interrupted(row.id),
    )  # fmt: skip


def _as(record: type[Record], row: DataclassInstance) -> Record:
    """The fields that a record has, of a row that has them too."""
    return record(**{field.name: getattr(row, field.name) for field in fields(record)})
