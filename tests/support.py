"""Small plans and the reading of rows, for tests of the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from db import jobs, members, plans
from db.engine import Database
from db.jobs import Claim, Lease, StoredArtifact, artifact, attempt, job
from db.plans import Dependency, Plan, PlannedJob, RunRef, Submitted
from db.schema import Event
from db.store import ArtifactStore
from settings.queue import QueueSettings
from workers.retention import retention

#: What the kinds of job say of their artifacts.
RETENTION = retention()

REPOSITORY = Path(__file__).resolve().parent.parent

#: Environment variables that change what Baton does.
FOREIGN_VARIABLES = (
    "BATON_HOME",
    "BATON_STATE_URL",
    "BATON_ARTIFACTS_URL",
    "BATON_NETWORK_HOME",
    "BATON_BROKER",
    "BATON_SESSION_DEADLINE",
    "BATON_PARENT_PID",
    "BATON_NOTICE_FILE",
    "BATON_GANG_ADDRESS",
    "BATON_NOTICE_URL",
    "BATON_DEVICE",
    "BATON_CALVIN_PYTHON",
    "BATON_FLOWER_PASSWORD",
    "BATON_FLOWER_URL",
    "BATON_TENSORBOARD_URL",
    "BATON_METRICS_URL",
    "REDIS_URL",
    "BATON_HUB_CACHE",
    *(f"BATON_QUEUE_{field.name.upper()}" for field in fields(QueueSettings)),
)

#: For tests of what only one kind of state does; all others of `tests/db` run on both.
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

NOW = 1_000_000.0
LEASE_SECONDS = 30.0

Value = TypeVar("Value")


def planned(
    key: str,
    needs: Sequence[str] = (),
    *,
    kind: str = "ingest",
    resource: str = "cpu",
    priority: int = 50,
    target_steps: int = 1,
    spec: Mapping[str, Any] | None = None,
    runs: Sequence[RunRef] = (),
    role: str = "input",
    fair: bool = True,
    devices: int = 1,
    nodes: int = 1,
    elastic: bool = False,
) -> PlannedJob:
    """A job labelled by its key; `needs` are keys of other jobs, whose artifacts arrive as `role`."""
    return PlannedJob(
        key, kind, key, dict(spec or {}), resource, priority, target_steps,
        tuple(Dependency(need, role) for need in needs), tuple(runs), fair, devices=devices, nodes=nodes,
        elastic=elastic,
    )  # fmt: skip


def submit(database: Database, *planned_jobs: PlannedJob, key: str = "ablation") -> Submitted:
    return plans.submit(database, Plan(key, key, {}, planned_jobs), f"submit {key}", NOW)


def two_of_a_name(database: Database, name: str = "mine") -> tuple[int, int]:
    """Ids of two ablations of one name, as an import brings them; their jobs are `a` and `b`."""
    first, second = (
        plans.submit(database, Plan(key, name, {}, [planned(key)]), "import", NOW).ablation_id
        for key in ("a", "b")
    )
    return first, second


def row(database: Database, label: str) -> Any:
    """The job's row as it is now."""
    with database.read() as tx:
        return tx.execute(select(job).where(job.c.label == label)).one()


def rows(database: Database) -> list[Any]:
    with database.read() as tx:
        return list(tx.execute(select(job).order_by(job.c.id)).all())


def attempts(database: Database, label: str) -> list[Any]:
    """The attempts of a job, oldest first."""
    with database.read() as tx:
        statement = select(attempt).join(job, job.c.id == attempt.c.job_id).where(job.c.label == label)
        return list(tx.execute(statement.order_by(attempt.c.id)).all())


def artifacts_of_job(database: Database, job_id: int) -> list[Any]:
    """Rows of what a job published, oldest first."""
    with database.read() as tx:
        return list(
            tx.execute(select(artifact).where(artifact.c.job_id == job_id).order_by(artifact.c.id)).all()
        )


def lease_of(claim: Claim) -> Lease:
    return Lease(claim.job_id, claim.lease_token)


def states(database: Database) -> dict[str, str]:
    return {entry.label: entry.state for entry in rows(database)}


def event_kinds(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(Event.kind).order_by(Event.id)).scalars())


def worker(database: Database, name: str = "worker", session: int | None = None) -> int:
    """This process, registered as one more worker."""
    return members.join(database, name, "cpu", session, NOW)


def start(database: Database, label: str, worker_id: int, now: float = NOW) -> Claim:
    """Ring everything that is ready, then claim one job."""
    jobs.ring(database, row(database, label).resource, 1000, now)
    claim = jobs.claim(database, row(database, label).id, worker_id, LEASE_SECONDS, now)
    assert claim is not None, f"{label} is {row(database, label).state}"
    return claim


def stored(store: ArtifactStore, folder: Path, name: str, content: bytes, **fields: Any) -> StoredArtifact:
    """`content` in the store, ready to become a row."""
    file = folder / f"{name}.bin"
    file.write_bytes(content)
    digest, path, size = store.put(file)
    return StoredArtifact(fields.pop("kind", "checkpoint"), name, digest, path, size, **fields)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def await_value(look: Callable[[], Value], wanted: Callable[[Value], bool], what: str) -> Value:
    """Look until the value is the wanted one. Fails after five minutes with what was seen last."""
    give_up = time.monotonic() + 300.0
    while True:
        value = look()
        if wanted(value):
            return value
        assert time.monotonic() < give_up, f"{what} did not happen; last seen: {value!r}"
        time.sleep(0.02)
