"""The whole life of five jobs in one process: rung, claimed, sliced with checkpoints, succeeded, passed on.

Scheduler, bell, executor, store and database are the real ones, and so is the Redis; only Celery's consumer
is played, by taking the messages off its queue.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from typing import Any

import torch
from safetensors.torch import load_file
from sqlalchemy import select, text

from db import garbage, jobs, members, plans
from db.engine import Database
from db.migrate import open_state
from db.missing import find_missing
from db.plans import Plan
from db.silence import Silence
from db.states import SUCCEEDED
from db.store import ArtifactStore
from models.weights import write_weights
from settings.home import Home
from settings.queue import QueueSettings
from tasks.context import Draft, Point, TaskContext, Yielded
from tasks.train.checkpoints import CheckpointWriter, Snapshot
from tests.support import RETENTION, planned, rows
from tests.toy_kinds import Result, done, kind_with
from workers.app import make_app, resource_queue
from workers.bell import Bell
from workers.broker import connect
from workers.execute import Executor
from workers.heartbeat import Member
from workers.scheduler import Scheduler
from workers.together import run_together

#: Nothing waits: what was lost is found by the process being gone, and by the queue being empty.
SETTINGS = QueueSettings(
    lease_seconds=3600, heartbeat_seconds=1800, ring_timeout_seconds=0.001, affinity_seconds=0.001,
    retry_seconds=0.001, max_losses=10,
)  # fmt: skip

TARGET = 4

PLAN = Plan(
    "life", "life", {},
    (
        planned("train", spec={"slice_seconds": 3600}, target_steps=TARGET),
        *(planned(f"evaluate {number}", ["train"]) for number in range(3)),  # of which two come in one message
        planned("report", ["train", "evaluate 0", "evaluate 1", "evaluate 2"]),
    ),
)  # fmt: skip


def found(home: Home) -> None:
    """A home with the plan in it."""
    home.create()
    (home.root / "home.yaml").write_text("{}\n")
    database = open_state(home)
    plans.submit(database, PLAN, "submit", time.time())
    database.close()


def train(context: TaskContext) -> Result:
    """Multiplies a tensor step by step, a checkpoint beside the work at each, yielding once in the middle."""
    state = torch.full((64,), 1.0)
    if context.resume:
        (file,) = context.resume
        state = load_file(file.path)["state"]
        assert file.step == context.step
    with CheckpointWriter(context, Snapshot()) as writer:
        for step in range(context.step, TARGET):
            if step == 2 and "yielded" not in context.memory:
                context.memory["yielded"] = True
                writer.finish()
                return Yielded("slice")
            state = state * 1.5 + step
            context.report_progress(step + 1, TARGET)
            point = Point("loss", step + 1, float(state.sum()))
            writer.begin(step + 1, {"weights": {"state": state}}, [point], wait=False)
        writer.finish()
    final = context.scratch / "final.safetensors"
    write_weights({"state": state}, final)
    return done([Draft("checkpoint", "weights", final)], result={"steps": TARGET})


def read(context: TaskContext) -> Result:
    """Writes down the digests of what it was given."""
    file = context.scratch / "seen.json"
    file.write_text(json.dumps(sorted(entry.sha256 for entry in context.inputs)))
    return done([Draft("evaluation", "seen", file)], result={"inputs": len(context.inputs)})


def go_on(home: Home, broker_url: str, seconds: float = 300.0) -> None:
    """One process brings everything to its end, whatever state it finds."""
    database = open_state(home)
    store = ArtifactStore(home)
    app = make_app(broker_url)
    bell = Bell(database, app, connect(broker_url), SETTINGS)
    setattr(bell, "_seconds_by_kind", lambda: {"ingest": 0.001})  # noqa: B010  # however long they take here
    scheduler = Scheduler(database, bell, SETTINGS)
    member = Member(database, SETTINGS, "worker", "cpu", None)
    chosen = {row.id: train if row.label == "train" else read for row in rows(database)}
    bodies = []
    executor = Executor(
        home, database, store, SETTINGS, member, kind_of=lambda name: kind_with(bodies[-1])(name)
    )

    def run(job_id: int) -> str:
        bodies.append(chosen[job_id])
        return executor.run(job_id)

    broker = connect(broker_url)
    give_up = time.monotonic() + seconds
    while any(row.state != SUCCEEDED for row in rows(database)):
        assert time.monotonic() < give_up, f"stuck: {[(row.label, row.state) for row in rows(database)]}"
        scheduler._next_check = 0.0
        scheduler.tick()
        for queue in (resource_queue("cpu"), f"baton.worker.{member.id}"):
            while (message := broker.rpop(queue)) is not None:
                job_ids = json.loads(b64decode(json.loads(message)["body"]))[0]
                member.to_come = job_ids
                run_together(job_ids, run, lambda: False, executor.leave)
    member.leave()
    database.close()


def broken_promises(home: Home, *, redone: bool = False) -> list[str]:
    """What does not hold of a home that has come to its end.

    redone: the disk gave a file back no more, so that whoever made it had to make it again.
    """
    database = open_state(home)
    wrong = []
    state = 64 * [1.0]
    losses = {}
    for step in range(TARGET):
        state = [value * 1.5 + step for value in state]
        losses[step + 1] = sum(state)
    with database.read() as tx:
        if tx.execute(text("pragma integrity_check")).scalar_one() != "ok":
            wrong.append("integrity_check")
        artifacts = tx.execute(select(jobs.artifact)).all()
        metrics = tx.execute(select(jobs.metric.c.step, jobs.metric.c.value)).all()
        attempts = tx.execute(select(jobs.attempt)).all()
    if dict(metrics) != losses or len(metrics) != TARGET:
        wrong.append(f"metrics {metrics}")
    ends = [attempt.job_id for attempt in attempts if attempt.outcome == SUCCEEDED]
    if sorted(set(ends) if redone else ends) != sorted(row.id for row in rows(database)):
        wrong.append(f"successes of jobs {ends}")
    if any(attempt.ended_at is None for attempt in attempts):
        wrong.append("an attempt never ended")
    if any(row.failures > redone for row in rows(database)):
        wrong.append("a crash spent a try")
    wrong += _store_against_rows(home, database, artifacts)
    database.close()
    return wrong


def _store_against_rows(home: Home, database: Database, artifacts: list[Any]) -> list[str]:
    store, wrong = ArtifactStore(home), []
    for row in artifacts:
        store.verified(row.path, row.sha256)
    for gone in find_missing(database, 0.0, Silence()):
        members.mark_gone(database, gone.worker_id, "gone", time.time())
    garbage.collect(database, home, RETENTION, time.time())
    with database.read() as tx:
        known = set(tx.execute(select(jobs.artifact.c.path)).scalars())
    lying = {str(path.relative_to(home.root)) for path in home.artifacts.glob("??/*")}
    if lying != known:
        wrong.append(f"bytes without rows or rows without bytes: {sorted(lying ^ known)}")
    if list(home.scratch.iterdir()):
        wrong.append(f"left in scratch: {[path.name for path in home.scratch.iterdir()]}")
    return wrong


def digests(home: Home) -> list[str]:
    """Final artifacts by digest."""
    database = open_state(home)
    with database.read() as tx:
        found_ = list(tx.execute(select(jobs.artifact.c.sha256).where(jobs.artifact.c.final)).scalars())
    database.close()
    return sorted(found_)
