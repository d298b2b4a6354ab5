"""Pictures come out of artifacts as the bodies write them; what was cleared away is left out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from db import jobs, queries, states
from db.plans import Plan, PlannedJob, RunRef, submit
from db.values import Ending
from experiments.reconvla.report.parts.attention import Attention
from experiments.reconvla.report.parts.reconstructions import Reconstructions
from tasks.probes.attention_scores import AttentionScores
from tests.experiments.reconvla.report.gathered import gather_report
from tests.job_specs import result_of, spec_of
from tests.reports.samples import part
from tests.support import NOW, start, stored, worker

ARMS = ("baseline", "recon")


@pytest.fixture
def ablation(database, store, tmp_path):
    """Two arms whose attention and reconstruction have ended."""
    refs = {arm: RunRef(arm, 0) for arm in ARMS}
    planned = [
        PlannedJob(f"{kind} {arm}", kind, f"{kind} {arm}", spec_of(kind), "cpu", 50, 1, (), (ref,))
        for arm, ref in refs.items()
        for kind in ("train", "attention", "reconstruct")
    ]
    config = {"data": {"root": None}, "gaze": {"detector": "oracle"}}
    submit(
        database,
        Plan("k", "mine", config, planned, {r: f"train {a}" for a, r in refs.items()}),
        "cli.py",
        NOW,
    )
    worker_id = worker(database)
    for number, arm in enumerate(ARMS):
        finish(database, store, tmp_path, worker_id, f"attention {arm}", "attention", "maps", attention(number),
               result_of("attention", mass_in_gaze=0.1, pointing_accuracy=0.2, frames=9))  # fmt: skip
        finish(database, store, tmp_path, worker_id, f"reconstruct {arm}", "reconstruction", "samples",
               reconstruction(), result_of("reconstruct"))  # fmt: skip


def finish(database, store, folder, worker_id, label, kind, name, tensors, result):
    arrays, captions = tensors
    file = folder / "tensors"
    save_file(arrays, file, metadata={"captions": json.dumps(captions)})
    artifact = stored(store, folder, name, file.read_bytes(), kind=kind)
    claim = start(database, label, worker_id)
    jobs.succeed(database, claim, Ending(states.SUCCEEDED, 1, artifacts=[artifact], result=result), NOW)


def attention(number):
    """Two frames; the second arm has another second frame."""
    arrays = {
        "panel_rows": np.array([4, 9 + number]),
        "maps": np.full((2, 6, 6), number / 36, np.float32),
        "images": np.full((2, 48, 48, 3), 100 + number, np.uint8),
        "boxes": np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]),
    }
    return arrays, ["open it", "close it"]


def reconstruction():
    arrays = {name: np.full((5, 8, 8, 3), level, np.uint8) for name, level in
              (("truth", 1), ("encoded", 2), ("sampled", 3))}  # fmt: skip
    return arrays, [f"frame {number}" for number in range(5)]


def test_the_same_frame_under_every_arms_map(database, store, ablation):
    report = gather_report(database, store, "mine")
    first, second = part(report, Attention).panels
    assert list(dict(first.maps)) == ["baseline", "+ reconstruction loss"]
    assert (first.caption, first.box) == ("open it", (1.0, 2.0, 3.0, 4.0))
    assert dict(first.maps)["+ reconstruction loss"][0, 0] == pytest.approx(1 / 36)
    assert list(dict(second.maps)) == ["baseline"], "a frame that the other arm did not look at"
    assert part(report, Attention).scores["baseline", 0].frames == 9


def test_reconstructions(database, store, ablation):
    shown = part(gather_report(database, store, "mine"), Reconstructions).shown
    assert [pair.title for pair in shown[:2]] == ["baseline: frame 0", "baseline: frame 1"]
    assert len(shown) == 6
    assert shown[0].sample[0, 0, 0] == 3


def test_bytes_that_were_cleared_away_are_left_out(database, store, home, ablation):
    for entry in queries.artifacts(database):
        (home.root / entry.path).unlink(missing_ok=True)
    report = gather_report(database, store, "mine")
    assert part(report, Attention).panels == part(report, Reconstructions).shown == ()
    assert ("baseline", 0) in part(report, Attention).scores, "figures are in the database"


def test_the_names_are_those_that_the_body_writes():
    assert {"maps", "images", "boxes", "panel_rows"} <= set(vars(AttentionScores()))
