"""Records of an ablation that is being worked on: what they say of one job agrees with itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import jobs, queries
from db.engine import Database
from db.jobs import Ending
from db.states import SUCCEEDED
from db.store import ArtifactStore
from tests.job_specs import result_of, spec_of
from tests.support import NOW, planned, start, stored, submit, worker
from workers.records import records_of


def test_a_job_that_ends_meanwhile_has_its_artifacts_or_has_not_ended(
    database: Database, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database, planned("gaze", kind="gaze", spec=spec_of("gaze")))
    claim = start(database, "gaze", worker(database))
    read = queries.jobs_of

    def ended_just_now(db: Database, ablation_id: int) -> object:
        artifact = stored(store, tmp_path, "gaze.json", b"{}", kind="gaze")
        jobs.succeed(db, claim, Ending(SUCCEEDED, 1, artifacts=[artifact], result=result_of("gaze")), NOW)
        return read(db, ablation_id)

    monkeypatch.setattr(queries, "jobs_of", ended_just_now)
    records = records_of(database, None)
    (job,) = records.jobs
    assert job.state == SUCCEEDED and len(records.artifacts_of(job)) == 1
