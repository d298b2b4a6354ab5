"""What every move of a running job's attempt writes: the check of its token, its artifacts and metrics, its end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Executable

from db import direct, events
from db.dialect import upsert
from db.statements import CLOSE_ATTEMPT, artifact, metric
from db.values import Claim, Ending, MetricPoint, Seconds, StoredArtifact
from errors import LeaseLost


def token(held: Claim) -> dict[str, int]:
    """Parameters of `db.statements.HOLDS_LEASE`."""
    return {"b_id": held.job_id, "b_token": held.lease_token}


def lease_lost(held: Claim) -> LeaseLost:
    return LeaseLost(f"{held.label}: attempt {held.lease_token} no longer holds the job; its work is dropped")


def check(tx: Connection, held: Claim, statement: Executable, **parameters: object) -> None:
    """Run the statement, whose condition is `HOLDS_LEASE`. Raises LeaseLost where it touches no row."""
    if tx.execute(statement, {**token(held), **parameters}).rowcount != 1:
        raise lease_lost(held)


def record(
    tx: Connection,
    held: Claim,
    step: int,
    artifacts: Sequence[StoredArtifact],
    metrics: Sequence[MetricPoint],
    now: float,
) -> None:
    """Artifact and metric rows. A step that is done again after a fallback gives the same rows again."""
    if artifacts:
        rows = [
            {
                "sha256": a.sha256, "kind": a.kind, "name": a.name, "path": a.path, "bytes": a.bytes,
                "final": a.final, "job_id": held.job_id, "attempt_id": held.attempt_id, "step": step,
                "created_at": now,
            }
            for a in artifacts
        ]  # fmt: skip
        statement = upsert(tx, artifact)
        changed = {
            name: statement.excluded[name]
            for name in ("sha256", "path", "bytes", "final", "attempt_id", "created_at")
        }
        tx.execute(
            statement.on_conflict_do_update(index_elements=["job_id", "name", "step"], set_=changed), rows
        )
    if metrics:
        points = upsert(tx, metric)
        tx.execute(
            points.on_conflict_do_update(
                index_elements=["job_id", "name", "step"], set_={"value": points.excluded.value}
            ),
            [
                {"job_id": held.job_id, "name": m.name, "step": m.step, "value": m.value, "at": now}
                for m in metrics
            ],
        )


def close_attempt(tx: Connection, held: Claim, ending: Ending, now: float) -> None:
    """The attempt's own row, and what it decided that people should see."""
    told = {
        "b_attempt": held.attempt_id,
        "b_now": now,
        "b_outcome": ending.outcome,
        "b_reason": ending.reason,
        "b_step": ending.step,
        "b_save": ending.save_seconds,
        "b_environment": dict(ending.environment) if ending.environment is not None else None,
        **{f"b_{name}": value for name, value in seconds_columns(ending.seconds).items()},
    }
    direct.changed(tx, CLOSE_ATTEMPT, told)
    for note in ending.notes:
        events.record(
            tx, now, note.kind, note.message, job_id=held.job_id, attempt_id=held.attempt_id, data=note.data
        )


def seconds_columns(seconds: Seconds) -> dict[str, float]:
    """Columns of `attempt` and their values."""
    return {f"{name}_seconds": value for name, value in vars(seconds).items()}
