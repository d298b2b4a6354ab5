"""What an audit reads: jobs with what they made, and what one slice of a job was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from db import inputs
from db.engine import Database
from db.rows import FileRow, NeededRow
from db.statements import ablation_job, artifact, attempt, job, metric
from settings.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of an artifact's bytes."""

    name: str
    sha256: str
    step: int
    final: bool


@dataclass(frozen=True, slots=True)
class AuditedJob:
    """A job and its artifacts, oldest step first. `step`: the last that it reached."""

    id: int
    kind: str
    label: str
    state: str
    step: int
    target_steps: int
    artifacts: list[Made]


@dataclass(frozen=True, slots=True)
class Given:
    """What a slice of a job starts from, and what its attempts left.

    points: measured before it. measured: in it. environments: of the attempts that made its artifacts, newest first;
    None for one that was not recorded. result: where the job ends with it.
    """

    spec: JsonObject
    learned: JsonObject
    inputs: Sequence[NeededRow]
    resume: Sequence[FileRow]
    outputs: Sequence[FileRow]
    points: Sequence[tuple[str, int, float]]
    measured: Sequence[tuple[str, int, float]]
    environments: Sequence[JsonObject | None]
    result: JsonObject | None


def audited_jobs(db: Database, ablation_id: int | None, kinds: Sequence[str]) -> list[AuditedJob]:
    """Jobs of these kinds that published anything, of one ablation or of all."""
    statement = (
        select(
            job.c.id,
            job.c.kind,
            job.c.label,
            job.c.state,
            job.c.step.label("reached_step"),
            job.c.target_steps,
            artifact.c.name,
            artifact.c.sha256,
            artifact.c.step,
            artifact.c.final,
        )
        .join(artifact, artifact.c.job_id == job.c.id)
        .where(job.c.kind.in_(kinds))
        .order_by(job.c.id, artifact.c.step, artifact.c.id)
    )
    if ablation_id is not None:
        mine = select(ablation_job.c.job_id).where(ablation_job.c.ablation_id == ablation_id)
        statement = statement.where(job.c.id.in_(mine))
    found: dict[int, AuditedJob] = {}
    with db.read() as tx:
        for row in tx.execute(statement):
            about = AuditedJob(row.id, row.kind, row.label, row.state, row.reached_step, row.target_steps, [])
            found.setdefault(row.id, about).artifacts.append(Made(row.name, row.sha256, row.step, row.final))
    return list(found.values())


def given(db: Database, job_id: int, first: int, last: int, ends: bool) -> Given:
    """What the work between two steps starts from; `ends`: no step comes after them. Raises ArtifactDamaged when an
    input is being made again.
    """
    needed = inputs.needed(db, job_id)
    own = inputs.own(db, job_id)
    with db.read() as tx:
        row = tx.execute(select(job.c.spec, job.c.learned, job.c.result).where(job.c.id == job_id)).one()
        points = tx.execute(
            select(metric.c.name, metric.c.step, metric.c.value)
            .where(metric.c.job_id == job_id, *([] if ends else [metric.c.step <= last]))
            .order_by(metric.c.step, metric.c.name)
        ).all()
        environments = tx.execute(
            select(attempt.c.id, attempt.c.environment)
            .join(artifact, artifact.c.attempt_id == attempt.c.id)
            .where(artifact.c.job_id == job_id, artifact.c.step > first, artifact.c.step <= last)
            .order_by(artifact.c.step.desc(), attempt.c.id.desc())
        ).all()
        if all(entry.environment is None for entry in environments):
            # Earlier versions recorded none of an attempt that died; the one before it is the best guess.
            environments = tx.execute(
                select(attempt.c.id, attempt.c.environment)
                .where(attempt.c.job_id == job_id, attempt.c.environment.is_not(None))
                .order_by(attempt.c.id.desc())
                .limit(1)
            ).all()
    return Given(
        row.spec,
        row.learned or {},
        needed,
        [entry for entry in own if entry.step == first] if first else [],
        [entry for entry in own if first < entry.step <= last or entry.step == last],
        [(point.name, point.step, point.value) for point in points if first and point.step <= first],
        [(point.name, point.step, point.value) for point in points if point.step > first or not first],
        list({entry.id: entry.environment for entry in environments}.values()),
        row.result if ends else None,
    )
