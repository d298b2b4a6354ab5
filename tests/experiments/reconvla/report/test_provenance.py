"""What a report says on machines, versions and data: full digests, and the body's version by kind of job."""

from __future__ import annotations

import hashlib
from dataclasses import fields

from db import jobs, states
from db.plans import Plan, PlannedJob, RunRef, submit
from db.values import Ending
from experiments.reconvla.report.provenance import (  # their input cannot be made without GPUs
    _duration,
    _hardware,
    _machines,
    _precisions,
)
from reports.parts.reproduction import FinalWeights, Reproduction
from settings.commit import checked_out
from settings.machine import ABSENT
from tasks.records import AttemptRecord
from tests.experiments.reconvla.report.gathered import gather_report
from tests.job_specs import record, result_of, spec_of
from tests.reports.samples import part
from tests.support import NOW, REPOSITORY, start, stored, worker
from workers.environment import attempt_environment

REF = RunRef("recon", 0)
INGEST = {
    "split": "training",
    "demonstrations": [{"number": 1}, {"number": 0}],
    "identity": ["late", "early"],
}


def environment_of(database, store, tmp_path, bodies):
    """Of an ablation whose ingest, index and train job have ended with these versions of their bodies."""
    made = {"index": ("index.json", b"[]"), "train": ("weights", b"weights")}
    planned = [
        PlannedJob(kind, kind, f"{kind} training", spec_of(kind, spec), "cpu", 50, 1, (), (REF,))
        for kind, spec in (("ingest", INGEST), ("index", {"split": "training"}), ("train", {}))
    ]
    config = {"data": {"root": None}, "gaze": {"detector": "oracle"}}
    submit(database, Plan("k", "mine", config, planned, {REF: "train"}), "cli.py all", NOW)
    worker_id = worker(database)
    for kind, body in bodies.items():
        artifacts = [stored(store, tmp_path, *made[kind], kind=kind)] if kind in made else []
        ending = Ending(
            states.SUCCEEDED, 1, artifacts=artifacts, result=result_of(kind),
            environment={**attempt_environment("cpu"), "body": body},
        )  # fmt: skip
        jobs.succeed(database, start(database, f"{kind} training", worker_id), ending, NOW + 1)
    return part(gather_report(database, store, "mine"), Reproduction).environment


def test_digests_are_of_the_data_and_whole(database, store, tmp_path):
    found = environment_of(database, store, tmp_path, {"ingest": 3, "index": 2, "train": 1}).data_digests
    assert found == {
        "demonstrations training": hashlib.sha256(b"early\nlate").hexdigest(),
        "index training": hashlib.sha256(b"[]").hexdigest(),
    }


def test_final_weights_are_named_once_a_run_has_them(database, store, tmp_path):
    assert environment_of(database, store, tmp_path, {"ingest": 3, "index": 2}).final_weights == {}

    def found():
        return part(gather_report(database, store, "mine"), Reproduction).environment.final_weights

    worker_id = worker(database, "other")
    claim = start(database, "train training", worker_id)
    with store.publication():
        halfway = stored(store, tmp_path, "weights", b"halfway", final=False)
        jobs.publish(database, claim, 0, [halfway], [], jobs.Seconds(), NOW)
        final = stored(store, tmp_path, "weights", b"weights")
        assert found() == {}
        ending = Ending(states.SUCCEEDED, 1, artifacts=[final], result=result_of("train"))
        jobs.succeed(database, claim, ending, NOW + 1)
    digest = hashlib.sha256(b"weights").hexdigest()
    assert found() == {"recon seed 0": FinalWeights(final.path, digest)}


def test_versions_and_machine(database, store, tmp_path):
    found = environment_of(database, store, tmp_path, {"ingest": 3, "index": 2, "train": 1})
    here = attempt_environment("cpu")
    assert found.versions["body"] == "index 2, ingest 3, train 1"
    assert {"baton", "celery", "os", "python", "torch"} <= set(found.versions)
    assert not {"processor", "gpu", "gpus", "cores", "memory_gib", "threads"} & set(found.versions)
    assert "instructions" not in found.versions
    assert found.threads == "1" and "absent" not in found.versions.values()
    assert str(here["processor"]) in found.hardware and f"{here['cores']} core" in found.hardware
    assert f"{here['memory_gib']} GiB" in found.hardware
    assert found.versions.get("commit", ABSENT) == (checked_out(REPOSITORY) or ABSENT)
    assert found.machines.startswith("1: ") and found.duration.endswith(" from the first job to the last")
    assert found.configuration["gaze"] == {"detector": "oracle"}


def test_machines_and_the_time_between_first_and_last_are_told():
    def attempt(host, started_at, ended_at):
        values = dict.fromkeys(field.name for field in fields(AttemptRecord))
        return AttemptRecord(**{**values, "host": host, "started_at": started_at, "ended_at": ended_at})

    attempts = [attempt("a", 100.0, 160.0), attempt("b", 130.0, 280.0), attempt("a", 200.0, None)]
    assert (_machines(attempts), _duration(attempts)) == (
        "2: a, b",
        "3 min 00 s from the first job to the last",
    )
    assert _machines([attempt(f"h{number}", 0.0, 1.0) for number in range(25)]).startswith("25: h0, h1, ")
    assert _machines([attempt(f"h{number}", 0.0, 1.0) for number in range(25)]).endswith("h19, ...")
    assert (_machines([]), _duration([]), _duration(attempts[2:])) == ("", "", "")
    assert _duration([attempt("a", 100.0, 90.0)]) == "", "a clock was set back"


def test_steps_of_two_environments_are_told(database, store, tmp_path):
    """A machine or a library that changed between two slices is no secret of the event log."""
    config = {"data": {"root": None}, "gaze": {"detector": "oracle"}}
    planned = [
        PlannedJob(name, "train", name, spec_of("train"), "cpu", 50, 4, (), (REF,))
        for name in ("moved", "same", "wider")
    ]
    submit(database, Plan("k", "mine", config, planned, {REF: "moved"}), "cli.py all", NOW)
    worker_id = worker(database)
    for name, others in (
        ("moved", [{"torch": "2.12"}, {"torch": "2.13"}]),
        ("same", [{"os": "a"}, {"os": "b"}]),
        ("wider", [{}, {"ranks": 4}]),
    ):
        for step, other in enumerate(others, start=1):
            environment = {**attempt_environment("cpu"), "torch": "2.13", "body": 2, **other}
            ending = Ending(states.YIELDED, step, environment=environment)
            jobs.give_back(database, start(database, name, worker_id), ending, NOW + step)
    environment = part(gather_report(database, store, "mine"), Reproduction).environment
    assert environment.mixed == ("moved: torch 2.12, then 2.13", "wider: ranks 1, then 4")
    assert environment.versions["ranks"] == "1 and 4", "one is one too"


def test_variables_that_choose_other_kernels_are_told(database, store, tmp_path, monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    found = environment_of(database, store, tmp_path, {"ingest": 3})
    assert found.versions["variables"].split(", ").count("MKL_CBWR=COMPATIBLE") == 1


def test_precisions_are_told_by_kind_of_job():
    adapted = {"precision": "fp16", "lora": {"rank": 16, "alpha": 32, "four_bit": True}}
    shard = {"mode": "closed_loop"}
    jobs = [
        record("train", {"training": adapted}),
        record("train", {"training": {"precision": "bf16", "lora": None}}),
        record("evaluate", {**shard, "policy": "random"}),
        record("evaluate", {**shard, "precision": "4bit"}),
        record("ingest"),
    ]
    assert _precisions(jobs) == "evaluate 4bit, train bf16 and fp16 with LoRA in 4 bits"
    assert _precisions([record("evaluate", shard)]) == "evaluate fp32"


class _Attempt:
    def __init__(self, host, device, **environment):
        self.host = host
        self.environment = {"device": device, "processor": "EPYC", "gpu": "", **environment}


def test_gpus_are_counted_over_hosts():
    t4 = {"gpu": "Tesla T4", "gpus": 1, "cores": 4, "memory_gib": 29}
    attempts = [
        _Attempt("a", "cuda:0", **t4),
        _Attempt("a", "cuda:0", **t4),
        _Attempt("a", "cuda:1", **t4),
        _Attempt("b", "cuda:0", gpu="H200", gpus=8),
        _Attempt("b", "cpu"),
    ]
    assert _hardware(attempts) == "8 x H200; 2 x Tesla T4; EPYC; EPYC, 4 cores, 29 GiB"
