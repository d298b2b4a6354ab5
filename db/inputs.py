"""What an attempt gets to read: the artifacts of the jobs it depends on, and its own checkpoints."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from db.engine import Database
from db.rows import FileRow, NeededRow, read_rows
from db.statements import artifact, dependency, job, metric
from db.states import SUCCEEDED
from db.values import MetricPoint
from errors import ArtifactDamaged

_COLUMNS = (artifact.c.kind, artifact.c.name, artifact.c.path, artifact.c.sha256, artifact.c.step)

_NEEDED = (
    select(*_COLUMNS, dependency.c.role)
    .join(artifact, artifact.c.job_id == dependency.c.depends_on_id)
    .where(dependency.c.job_id == bindparam("b_job"), artifact.c.final)
    .order_by(dependency.c.role, dependency.c.depends_on_id, artifact.c.id)
)

_OWN = (
    select(*_COLUMNS)
    .where(artifact.c.job_id == bindparam("b_job"))
    .order_by(artifact.c.step.desc(), artifact.c.id)
)


_UNFINISHED = (
    select(job.c.label)
    .join(dependency, dependency.c.depends_on_id == job.c.id)
    .where(dependency.c.job_id == bindparam("b_job"), job.c.state != SUCCEEDED)
    .limit(1)
)


def stated(db: Database, job_id: int) -> list[NeededRow]:
    """Final artifacts that the jobs `job_id` depends on have now."""
    with db.read() as tx:
        return read_rows(tx, NeededRow, _NEEDED, {"b_job": job_id})


def needed(db: Database, job_id: int) -> list[NeededRow]:
    """Final artifacts of the jobs that `job_id` depends on, by role.

    Raises ArtifactDamaged when one of those jobs is doing its work again.
    """
    with db.read() as tx:
        again = tx.execute(_UNFINISHED, {"b_job": job_id}).scalar()
        if again is not None:
            raise ArtifactDamaged(f"what it needs of {again!r} is being made again", "")
        return read_rows(tx, NeededRow, _NEEDED, {"b_job": job_id})


def own(db: Database, job_id: int) -> list[FileRow]:
    """What earlier attempts of the job published, newest step first."""
    with db.read() as tx:
        return read_rows(tx, FileRow, _OWN, {"b_job": job_id})


def points(db: Database, job_id: int, beginning: str, up_to_step: int) -> list[MetricPoint]:
    """The job's metrics whose names begin so, oldest first."""
    with db.read() as tx:
        return read_rows(
            tx,
            MetricPoint,
            select(metric.c.name, metric.c.step, metric.c.value)
            .where(
                metric.c.job_id == job_id,
                metric.c.name.startswith(beginning, autoescape=True),
                metric.c.step <= up_to_step,
            )
            .order_by(metric.c.step, metric.c.name),
        )
