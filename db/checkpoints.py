"""Weights by the first digits of their digest, and those that runs ended with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from db.engine import Database
from db.jobs import job
from db.rows import read_rows
from db.schema import Artifact, Run
from db.states import SUCCEEDED
from settings.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """path: relative to the home. spec: the parameters of the job that made them."""

    sha256: str
    path: str
    label: str
    step: int
    spec: JsonObject


@dataclass(frozen=True, slots=True)
class FinalWeights:
    """What the training of a run ended with. path: relative to the home; `artifacts gc --spent` may have taken it."""

    run: int
    sha256: str
    path: str


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


def final_weights(db: Database) -> list[FinalWeights]:
    """Of every run whose training has ended well; rows of policies have none."""
    statement = (
        select(Run.id.label("run"), Artifact.sha256, Artifact.path)
        .join(job, job.c.id == Run.train_job_id)
        .join(Artifact, Artifact.job_id == job.c.id)
        .where(
            job.c.state == SUCCEEDED,
            Artifact.kind == "checkpoint",
            Artifact.name == "weights",
            Artifact.final,
        )
        .order_by(Run.id)
    )
    with db.read() as tx:
        return read_rows(tx, FinalWeights, statement)
