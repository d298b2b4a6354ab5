"""The event log: what happened, in sentences, with the rows it is about."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from db.schema import Event
from settings.json_values import JsonObject


def record(
    tx: Connection,
    now: float,
    kind: str,
    message: str,
    *,
    ablation_id: int | None = None,
    job_id: int | None = None,
    attempt_id: int | None = None,
    worker_id: int | None = None,
    data: JsonObject | None = None,
) -> None:
    """Append one event inside the caller's transaction."""
    tx.execute(
        insert(Event),
        {
            "at": now,
            "kind": kind,
            "message": message,
            "ablation_id": ablation_id,
            "job_id": job_id,
            "attempt_id": attempt_id,
            "worker_id": worker_id,
            "data": dict(data) if data is not None else None,
        },
    )


def said(tx: Connection, kind: str, message: str, ablation_id: int) -> bool:
    """Whether the ablation has this event already."""
    same = Event.kind == kind, Event.message == message, Event.ablation_id == ablation_id
    return tx.execute(select(Event.id).where(*same).limit(1)).first() is not None
