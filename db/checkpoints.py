"""Checkpoints by the first digits of their digest, with what their job was told about the model."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from db.engine import Database
from db.jobs import job
from db.schema import Artifact
from settings.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """path: relative to the home. spec: the parameters of the job that made them."""

    sha256: str
    path: str
    label: str
    step: int
    spec: JsonObject


def find_weights(db: Database, digits: str) -> list[StoredWeights]:
    """Weights whose SHA-256 begins with `digits`, one entry per digest, oldest first."""
    statement = (
        select(Artifact.sha256, Artifact.path, Artifact.step, job.c.label, job.c.spec)
        .join(job, job.c.id == Artifact.job_id)
        .where(Artifact.kind == "checkpoint", Artifact.name == "weights", Artifact.sha256.startswith(digits))
        .order_by(Artifact.id)
    )
    with db.read() as tx:
        rows = tx.execute(statement).all()
    found = {row.sha256: StoredWeights(row.sha256, row.path, row.label, row.step, row.spec) for row in rows}
    return list(found.values())
