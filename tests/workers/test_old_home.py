"""A home that 753aa3a left half-way, opened by this build. `trials/old_home.py` made it; `trials/upgrade.py` compares
the weights with those that 753aa3a ends with, on one machine.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cli
from db import queries
from db.engine import Database
from db.migrate import open_state
from db.states import SUCCEEDED
from errors import OtherBuild
from experiments.reconvla.config import AblationConfig
from experiments.registry import experiment_of
from settings.home import Home
from tasks.registry import KINDS
from tests.processes import QUICK, running
from tests.support import REPOSITORY, artifacts_of_job
from trials.old_home import SUBMITTED
from workers import upgrades

pytestmark = pytest.mark.slow

ARCHIVE = REPOSITORY / "tests" / "data" / "old_home" / "753aa3a.tar.xz"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "home"


@pytest.fixture
def opened(unpacked: Path) -> Iterator[tuple[Home, Database]]:
    home = Home(unpacked)
    database = open_state(home)
    yield home, database
    database.close()


def ended(database: Database) -> dict[str, tuple[Any, int]]:
    """Key of each job that succeeded -> its digests and its number of attempts."""
    attempts = [row.job_id for row in queries.attempts_of(database, 1)]
    return {
        row.key: (
            sorted((file.name, file.sha256) for file in artifacts_of_job(database, row.id)),
            attempts.count(row.id),
        )
        for row in queries.jobs_of(database, 1)
        if row.state == SUCCEEDED
    }


def test_the_archive_is_small() -> None:
    assert ARCHIVE.stat().st_size <= 2_000_000


def test_its_jobs_have_the_keys_that_this_build_plans(opened: tuple[Home, Database]) -> None:
    _, database = opened
    (row,) = queries.ablation_rows(database)
    experiment = experiment_of(row.config)
    config = AblationConfig.model_validate(row.config)
    plan = experiment.plan(config, queries.specs_of(database, row.id, experiment.kept_kinds))
    assert plan.key == row.key
    assert {job.key for job in plan.jobs} == {job.key for job in queries.jobs_of(database, row.id)}


def test_a_body_that_changed_since_is_refused_with_the_command(
    opened: tuple[Home, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, database = opened
    before = ended(database)
    for kind in ("train", "gaze"):
        upgrades.check_build(home, database)
        with monkeypatch.context() as patch:
            patch.setitem(KINDS, kind, replace(KINDS[kind], version=KINDS[kind].version + 1))
            if kind == "gaze":  # all of them have ended: what reads them is computed as it was
                upgrades.check_build(home, database)
                continue
            with pytest.raises(OtherBuild, match=rf"with {kind} \d+ \(here \d+\); .* upgrade 1$"):
                upgrades.check_build(home, database)
    assert ended(database) == before


def test_it_ends_and_nothing_that_was_done_is_done_again(
    opened: tuple[Home, Database], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, database = opened
    before = ended(database)
    kinds = {row.kind for row in queries.jobs_of(database, 1) if row.key in before}
    assert {"ingest", "gaze", "index"} <= kinds and "train" not in kinds
    here = ["--home", str(home.root)]
    with running(
        [*here, "up", "--until-done", "--cpus", "1", "--gpus", "none"], tmp_path / "log", **QUICK
    ) as up:
        assert up.wait(timeout=900) == 0, (tmp_path / "log").read_text()
    after = ended(database)
    assert len(after) == len(queries.jobs_of(database, 1))
    assert {key: after[key] for key in before} == before
    trained = [row for row in queries.jobs_of(database, 1) if row.kind == "train"]
    starts = [row.step_from for row in queries.attempts_of(database, 1) if row.job_id == trained[0].id]
    assert starts[0] == 0 and all(start > 0 for start in starts[1:]), "it went on from its checkpoint"
    assert cli.main([*here, *SUBMITTED, "--detach", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["jobs_added"], told["jobs_shared"]) == (0, len(after))
