"""An audit does stored work again: it agrees with what is true, and finds one changed bit behind a new digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import insert, update

from db import jobs, plans
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan
from db.statements import attempt, job, metric
from db.states import SUCCEEDED
from db.store import ArtifactStore
from settings.arithmetic import deciding_variables
from settings.home import Home
from tasks.fixed_state import FixedState
from tasks.kind import decides
from tasks.registry import GAZE, INDEX, INGEST, TRAIN
from tasks.train import run as train
from tests.db.test_store import damage
from tests.job_specs import spec_of
from tests.support import NOW, artifacts_of_job, attempts, planned, row, start, stored, worker
from tests.training import training_spec, write_training_index
from tests.workers.conftest import Bench
from workers import audit
from workers.audit import DAMAGED, DIFFERENT, EQUAL, NOT_COMPARABLE
from workers.audit_process import Again, Made, Work, do_again, surroundings_of
from workers.audit_sample import sample

pytestmark = pytest.mark.slow

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


def here(tmp_path: Path) -> audit.Doer:
    """Does work in this process, where torch is loaded already."""
    state = FixedState()
    return lambda work, _then: do_again(work, tmp_path / "audit", state)


def verdicts(database: Database, store: ArtifactStore, tmp_path: Path) -> dict[int, tuple[str, str]]:
    """last step of each slice -> (verdict, why)"""
    units = audit.units_of(database, 1)
    return {
        unit.last: (finding.verdict, finding.why)
        for unit in units
        if unit.kind is TRAIN
        for finding in [audit.redo(database, store, unit, here(tmp_path))]
    }


def test_every_slice_comes_out_again(trained: Database, store: ArtifactStore, tmp_path: Path) -> None:
    found = verdicts(trained, store, tmp_path)
    assert found == dict.fromkeys(range(1, STEPS + 1), (EQUAL, ""))
    assert not (tmp_path / "audit").exists()


def test_one_bit_changed_behind_a_new_digest_is_found(
    trained: Database, store: ArtifactStore, home: Home, tmp_path: Path
) -> None:
    fact = next(
        a for a in artifacts_of_job(trained, row(trained, "train").id)
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
    fact = next(a for a in artifacts_of_job(trained, row(trained, "train").id) if a.step == 3)
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
        chosen = sample(audit.units_of(trained, None), 2, 0, seed)
        return [unit.name for unit in chosen]

    assert names(0) == names(0)
    assert len(names(0)) == 2 and all(name.startswith("train, steps") for name in names(0))


def change(database: Database, table: Any, where: Any, **values: Any) -> None:
    with database.write() as tx:
        assert tx.execute(update(table).where(where).values(**values)).rowcount == 1


def test_a_changed_metric_is_found_though_all_bytes_are_right(
    trained: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    job_id = row(trained, "train").id
    of_train = (metric.c.job_id == job_id) & (metric.c.name == "loss/total")
    change(trained, metric, of_train & (metric.c.step == 2), value=0.125)
    found = verdicts(trained, store, tmp_path)
    assert [found[step][0] for step in (1, 2, 3, 4)] == [EQUAL, DIFFERENT, EQUAL, EQUAL]
    assert found[2][1].startswith("loss/total at step 2 is stored as 0.125 and comes out as ")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"result": {"steps": 400}}, "result.steps is stored as 400 and comes out as 4"),
        ({"result": {}}, "result.steps is stored as null and comes out as 4"),
        ({"step": 400}, "the job's step is 400, it ends at 4"),
    ],
)
def test_a_changed_result_is_found_at_the_end_of_its_job(
    trained: Database, store: ArtifactStore, tmp_path: Path, values: dict[str, Any], why: str
) -> None:
    change(trained, jobs.job, jobs.job.c.label == "train", **values)
    found = verdicts(trained, store, tmp_path)
    assert [found[step][0] for step in (1, 2, 3)] == [EQUAL] * 3
    assert found[4] == (DIFFERENT, why)


def test_a_metric_that_was_never_measured_is_found(
    trained: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    job_id = row(trained, "train").id
    with trained.write() as tx:
        tx.execute(insert(metric).values(job_id=job_id, name="open_loop/error", step=9, value=0.01, at=NOW))
    assert verdicts(trained, store, tmp_path)[4] == (
        DIFFERENT, "open_loop/error at step 9 is stored as 0.01 and comes out as null"
    )  # fmt: skip


def test_a_sample_hashes_all_the_same(
    trained: Database, store: ArtifactStore, home: Home, tmp_path: Path
) -> None:
    """One bit on the disk, in an artifact that is not among what is done again."""
    fact = artifacts_of_job(trained, row(trained, "index").id)[-1]
    damage(home.root / fact.path)
    found, strata = audit.audit(trained, ArtifactStore(home), 1, tmp_path / "audit", tmp_path / "log",
                        slices=0, others=0, seed=0)  # fmt: skip
    assert [(finding.verdict, finding.why) for finding in found] == [(DAMAGED, f"{fact.path} is damaged")]
    assert {stratum.checked for stratum in strata} == {0} and all(stratum.of for stratum in strata)


def test_what_was_removed_as_nothing_needs_it_is_no_damage(
    trained: Database, store: ArtifactStore, home: Home, tmp_path: Path
) -> None:
    unit = next(unit for unit in audit.units_of(trained, 1) if unit.last == STEPS)
    read = {a.path for a in artifacts_of_job(trained, row(trained, "index").id)}
    finding = audit.redo(trained, store, unit, here(tmp_path), read)
    assert finding.verdict == NOT_COMPARABLE and "was removed as nothing needs it" in finding.why


def test_an_attempt_records_what_it_computes_with_even_if_it_dies(trained: Database) -> None:
    for told in attempts(trained, "train"):
        assert told.environment["threads"] == 1
        assert told.environment["variables"] == deciding_variables()


def test_the_surroundings_are_those_of_the_worker_and_not_of_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_CBWR", "SSE2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    then = {"device": "cpu", "gpu": "", "variables": {"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "avx2"}}
    found = surroundings_of(then)
    assert {name: found.get(name) for name in ("OMP_NUM_THREADS", "MKL_CBWR", "ATEN_CPU_CAPABILITY")} == {
        "OMP_NUM_THREADS": "1", "MKL_CBWR": None, "ATEN_CPU_CAPABILITY": "avx2",
    }  # fmt: skip
    assert found["CUDA_VISIBLE_DEVICES"] == "", "what a processor computed is not compared with a GPU"
    assert surroundings_of({**then, "gpu": "H200"})["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert surroundings_of({"threads": 4})["OMP_NUM_THREADS"] == "4", "an attempt of an earlier version"


def test_work_is_done_in_a_process_with_the_variables_of_its_attempt(
    trained: Database, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4,1")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")  # other kernels, other bits
    units = [unit for unit in audit.units_of(trained, 1) if unit.kind is TRAIN][:2]
    with Again(tmp_path / "audit", tmp_path / "log") as again:
        found = [audit.redo(trained, store, unit, again) for unit in units]
        assert [finding.verdict for finding in found] == [EQUAL, EQUAL], found
        lacking = again(
            Work("train", {}, {}, 0, None, [], [], [], "cuda:0", "NVIDIA H200", 1), {"gpu": "NVIDIA H200"}
        )
    if not torch.cuda.is_available():
        assert lacking.lacking == "it was made on a GPU (NVIDIA H200), and there is none here"


def test_what_was_done_over_other_devices_is_done_again_over_those(
    trained: Database, store: ArtifactStore
) -> None:
    change(trained, job, job.c.kind == "train", learned={"devices": 4})
    (unit, *_, last) = [unit for unit in audit.units_of(trained, 1) if unit.kind is TRAIN]
    told = attempts(trained, "train")[-1]
    change(trained, attempt, attempt.c.id == told.id, environment={**told.environment, "ranks": 3})
    asked: list[int] = []

    def again(work: Work, _: object) -> Made:
        asked.append(TRAIN.spec_of(work.spec).processes)
        return Made()

    for each in (unit, last):
        audit.redo(trained, store, each, again)
    assert asked == [1, 3]


def test_a_process_that_dies_is_a_failure_in_words(tmp_path: Path) -> None:
    with Again(tmp_path / "audit", tmp_path / "log") as again:
        made = again(Work("train", {}, {}, 0, None, [], [], [], "cpu", "", 1), None)
        assert made.failure is not None
        assert made.failure.startswith("doing it again failed: parameters of a job of the kind train: model")
        assert again._process is not None
        again._process.kill()
        made = again(Work("train", {}, {}, 0, None, [], [], [], "cpu", "", 1), None)
    assert made.failure is not None and "its process died (exit code -9)" in made.failure


def test_a_library_counts_only_where_it_decides() -> None:
    colour, model = (GAZE.spec_of(spec_of("gaze", detector=name)) for name in ("colour", "grounding_dino"))
    assert not decides("transformers", GAZE, colour) and decides("transformers", GAZE, model)
    read, listed, trained = (kind.spec_of(spec_of(kind.name)) for kind in (INGEST, INDEX, TRAIN))
    assert not decides("torch", INGEST, read) and decides("pybullet", INGEST, read)
    assert not decides("processor", INDEX, listed) and decides("body", INDEX, listed)
    assert decides("instructions", TRAIN, trained) and not decides("cores", TRAIN, trained)
