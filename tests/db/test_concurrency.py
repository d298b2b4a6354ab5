"""Several processes claim from one state at the same time."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from db import jobs
from db.engine import Database
from db.jobs import Ending
from db.migrate import open_state
from db.states import SUCCEEDED
from settings.home import Home
from tests.support import LEASE_SECONDS, NOW, attempts, planned, rows, submit, worker

PROCESSES = 4
JOBS = 200


def test_every_job_is_claimed_exactly_once(database: Database, home: Home) -> None:
    submit(database, *(planned(f"job {number}") for number in range(JOBS)))
    jobs.ring(database, "cpu", JOBS, NOW)
    spawn = multiprocessing.get_context("spawn")
    go = spawn.Event()
    with spawn.Pool(PROCESSES, initializer=_open, initargs=(home.root, go)) as pool:
        ids = [entry.id for entry in rows(database)]
        results = [pool.apply_async(_claim_all, (ids,)) for _ in range(PROCESSES)]
        go.set()
        taken = [result.get(timeout=300) for result in results]
    assert sorted(job_id for mine in taken for job_id in mine) == ids
    assert {entry.state for entry in rows(database)} == {SUCCEEDED}
    assert {entry.lease_token for entry in rows(database)} == {1}
    assert len(attempts(database, "job 7")) == 1


def _open(root: Path, go: Event) -> None:
    global _database, _go
    _database, _go = open_state(Home(root)), go


def _claim_all(ids: list[int]) -> list[int]:
    """Try every job, as a worker would whose bells are all doubled. Returns those that it got."""
    me = worker(_database)
    _go.wait()
    mine = []
    for job_id in ids:
        claim = jobs.claim(_database, job_id, me, LEASE_SECONDS, time.time())
        if claim is not None:
            jobs.succeed(_database, claim, Ending(SUCCEEDED, 1), time.time())
            mine.append(job_id)
    _database.settle()
    return mine
