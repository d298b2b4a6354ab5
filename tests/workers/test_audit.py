"""An audit does stored work again: it agrees with what is true, and finds one changed bit behind a new digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import update

from db import jobs, plans, queries
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan
from db.states import SUCCEEDED
from db.store import ArtifactStore
from settings.home import Home
from tasks import train
from tests.support import NOW, planned, row, start, stored, worker
from tests.training import training_spec, write_training_index
from tests.workers.conftest import Bench
from workers import audit
from workers.audit import DAMAGED, DIFFERENT, EQUAL, NOT_COMPARABLE

STEPS = 4


@pytest.fixture
def trained(bench: Bench, database: Database, store: ArtifactStore, tmp_path: Path) -> Database:
    """A training of two slices with a checkpoint at every step."""
    spec = {**training_spec(STEPS, checkpoint_seconds=1e-9), "slice_seconds": 1e-6}
    index = planned("index", kind="index")
    training = planned("train", ["index"], kind="train", target_steps=STEPS, spec=spec, role="index")
    plans.submit(database, Plan("one", "one", {}, [index, training]), "test", NOW)
    claim = start(database, "index", worker(database))
    artifacts = [
        stored(store, tmp_path, name, path.read_bytes(), kind="index")
        for name, path in write_training_index(tmp_path).items()
    ]
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=artifacts), NOW)
    while row(database, "train").state != SUCCEEDED:
        assert not bench.run("train", train.run).startswith("failed"), row(database, "train").error
    return database


def verdicts(database: Database, store: ArtifactStore, tmp_path: Path) -> dict[int, tuple[str, str]]:
    """last step of each slice -> (verdict, why)"""
    units = audit.units_of(database, 1)
    return {
        unit.last: (finding.verdict, finding.why)
        for unit in units
        if unit.kind == "train"
        for finding in [audit.redo(database, store, unit, tmp_path / "audit")]
    }


def test_every_slice_comes_out_again(trained: Database, store: ArtifactStore, tmp_path: Path) -> None:
    found = verdicts(trained, store, tmp_path)
    assert found == dict.fromkeys(range(1, STEPS + 1), (EQUAL, ""))
    assert not (tmp_path / "audit").exists()


def test_one_bit_changed_behind_a_new_digest_is_found(
    trained: Database, store: ArtifactStore, home: Home, tmp_path: Path
) -> None:
    fact = next(
        a for a in queries.artifacts_of_job(trained, row(trained, "train").id)
        if a.step == 2 and a.name == "weights"
    )  # fmt: skip
    content = bytearray((home.root / fact.path).read_bytes())
    content[-1] ^= 1
    forged = hashlib.sha256(content).hexdigest()
    path = f"artifacts/{forged[:2]}/{forged}.safetensors"
    (home.root / path).parent.mkdir(exist_ok=True)
    (home.root / path).write_bytes(content)
    with trained.write() as tx:
        tx.execute(
            update(jobs.artifact).where(jobs.artifact.c.id == fact.id).values(sha256=forged, path=path)
        )
    found = verdicts(trained, store, tmp_path)
    assert found[1] == found[4] == (EQUAL, "")
    assert found[2] == (DIFFERENT, "weights came out with other bytes")
    assert found[3][0] == DIFFERENT, "what was made from the true weights is not what the forged ones give"


def test_bytes_without_their_digest_are_damaged(
    trained: Database, store: ArtifactStore, home: Home, tmp_path: Path
) -> None:
    fact = next(a for a in queries.artifacts_of_job(trained, row(trained, "train").id) if a.step == 3)
    (home.root / fact.path).unlink()
    found = verdicts(trained, ArtifactStore(home), tmp_path)
    assert [found[step][0] for step in (1, 2, 3, 4)] == [EQUAL, EQUAL, DAMAGED, DAMAGED]


def test_another_machines_last_bits_are_no_forgery(
    trained: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    with trained.write() as tx:
        environment = {**tx.execute(jobs.attempt.select()).all()[-1].environment, "processor": "another"}
        tx.execute(update(jobs.attempt).values(environment=environment))
        tx.execute(update(jobs.job).where(jobs.job.c.label == "train").values(
            spec={**row(trained, "train").spec, "seed": 9}))  # fmt: skip
    found = verdicts(trained, store, tmp_path)
    assert set(found.values()) == {(NOT_COMPARABLE, "made with other processor")}


def test_a_sample_is_drawn_from_its_seed(trained: Database, store: ArtifactStore, tmp_path: Path) -> None:
    def names(seed: int) -> list[str]:
        found = audit.audit(trained, store, None, tmp_path / "audit", slices=2, others=0, seed=seed)
        return [finding.unit for finding in found]

    assert names(0) == names(0)
    assert len(names(0)) == 2 and all(name.startswith("train, steps") for name in names(0))
