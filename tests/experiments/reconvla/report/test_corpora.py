"""Two datasets in one ablation are kept apart, whatever their labels and splits say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from sqlalchemy import select

from calvin.episode_file import save_episode
from db import jobs, states
from db.jobs import job
from db.plans import Dependency, Plan, PlannedJob, RunRef, submit
from db.values import Ending
from experiments.reconvla.report.corpora import Corpora
from experiments.reconvla.report.parts.gaze import Gaze
from reports.document import to_json
from reports.html import render_html
from reports.parts.reproduction import DataSource
from reports.summary import summarise
from tasks.records import JobRecord
from tasks.registry import INDEX, INGEST
from tests.calvin.samples import make_episode
from tests.experiments.reconvla.report.gathered import gather_report
from tests.job_specs import result_of, spec_of
from tests.reports.samples import part
from tests.support import NOW, stored, worker

RUN = RunRef("recon_pretrain", 0)

#: Figures of one gaze job of three frames; `detected` of them found.
REGIONS = {
    "frames": 3,
    "trusted": 2,
    "sources": {"first_pass": 3},
    "by_task": {"demonstrations": 0, "frames": 0},
}
OBJECTS = {"frames": 3, "visible": 3, "detected": 2, "false_targets": 0, "guesses": 0, "trusted_wrong": 0}


def gaze_result(detected: int) -> dict[str, Any]:
    simple = {
        "frames": 3,
        "detected": detected,
        "outcomes": {"detected": detected, "not_found": 3 - detected},
    }
    return {
        **REGIONS,
        "figures": {"simple": simple},
        "iou_sum": {"simple": [0.9 * detected, detected]},
        "objects": {"drawer": OBJECTS},
    }


def data_jobs(
    name: str, label: str, split: str, numbers: list[int], scenes: dict[str, int]
) -> list[PlannedJob]:
    """Ingest, gaze and index of a corpus, as the planner makes them."""
    ingest = {
        "source": "calvin",
        "split": split,
        "root": f"/data/{name}",
        "demonstrations": [{"number": number} for number in numbers],
        "identity": [f"{name} {number}" for number in numbers],
    }
    made = [
        PlannedJob(
            f"{name} {split}", "ingest", f"ingest {label} 0-{len(numbers) - 1}", ingest, "cpu", 50, 1, (), ()
        )
    ]
    needs = [Dependency(f"{name} {split}", "episode")]
    for number in numbers:
        key = f"gaze {name} {split} {number}"
        spec = spec_of("gaze", number=number)
        made.append(
            PlannedJob(key, "gaze", f"gaze {label} task_{number}", spec, "cpu", 50, 1, (needs[0],), ())
        )
        needs.append(Dependency(key, "gaze"))
    about = {"split": split, "numbers": numbers, "about": {"scenes": scenes}}
    made.append(
        PlannedJob(f"index {name} {split}", "index", f"index {label}", about, "cpu", 50, 1, tuple(needs), ())
    )
    return made


def submitted(database: Any, pretraining_label: str) -> int:
    planned = [
        *data_jobs("ABCD", pretraining_label, "training", [0, 1, 2], {"A": 2, "D": 1}),
        *data_jobs("D", "training", "training", [0, 1], {"D": 2}),
        *data_jobs("D", "validation", "validation", [0], {"D": 1}),
    ]
    training = {"batch_size": 2, "steps": 4, "precision": "fp32", "lora": None}
    validation = Dependency("index D validation", "index")
    planned += [
        PlannedJob("pretrain", "pretrain", "pretrain seed 0", spec_of("pretrain", training=training), "cpu", 50, 1,
                   (Dependency("index ABCD training", "index"),), (RUN,)),
        PlannedJob("train", "train", "train recon_pretrain seed 0",
                   spec_of("train", training=training, drawn_by="egl"), "cpu", 50, 1,
                   (Dependency("index D training", "index"), Dependency("pretrain", "init")), (RUN,)),
        PlannedJob("judge", "evaluate", "open-loop error", spec_of("evaluate"), "cpu", 50, 1,
                   (Dependency("train", "checkpoint"), validation), (RUN,)),
    ]  # fmt: skip
    config = {"data": {"root": "/data/D", "pretraining_root": "/data/ABCD"}, "gaze": {"detector": "colour"}}
    submit(database, Plan("k", "mine", config, planned, {RUN: "train"}), "cli.py", NOW)
    return worker(database)


def end_data_jobs(database: Any, store: Any, tmp_path: Any, worker_id: int, few: str) -> None:
    """few: the dataset whose targets are hard to find."""
    with database.read() as tx:
        rows = tx.execute(select(job.c.id, job.c.kind, job.c.key, job.c.spec).order_by(job.c.id)).all()
    for row in rows:
        artifacts: list[Any] = []
        result = result_of(row.kind)
        if row.kind == "ingest":
            for number in [entry["number"] for entry in row.spec["demonstrations"]]:
                file = tmp_path / f"{row.id}-{number}"
                save_episode(make_episode(frames=3, seed=row.id, instruction=f"of {row.key}"), file)
                artifacts.append(stored(store, tmp_path, f"task_{number}", file.read_bytes(), kind="episode"))
        elif row.kind == "gaze":
            file = tmp_path / f"gaze-{row.id}"
            rows_ = [{"reason": "not_found", "detail": ""}] * 3
            header = {"detector": "colour", "precision": None, "task": "open_drawer", "rows": rows_}
            save_file({"boxes": np.zeros((3, 4))}, file, metadata={"gaze": json.dumps(header)})
            artifacts.append(stored(store, tmp_path, "gaze", file.read_bytes(), kind="gaze"))
            result = gaze_result(1 if few in row.key.split() else 3)
        elif row.kind == "index":
            items = 30 if few in row.key.split() else 8
            result = result_of("index", items=items, with_target=items)
            artifacts.append(stored(store, tmp_path, "index.json", row.key.encode(), kind="index"))
        else:
            continue
        jobs.ring(database, "cpu", 1000, NOW)
        claim = jobs.claim(database, row.id, worker_id, 30, NOW)
        assert claim is not None
        ending = Ending(states.SUCCEEDED, 1, artifacts=artifacts, result=result)
        jobs.succeed(database, claim, ending, NOW + 1)


@pytest.fixture(params=["pretraining", "training"])
def ended(request: pytest.FixtureRequest, database, store, tmp_path):
    """All data jobs have ended. An earlier ablation that trained on the other dataset leaves its own labels."""
    worker_id = submitted(database, request.param)
    end_data_jobs(database, store, tmp_path, worker_id, few="ABCD")
    return gather_report(database, store, "mine")


def test_gaze_figures_are_of_one_dataset_each(ended) -> None:
    document = to_json(ended)
    simple = document["gaze"]["simple"]
    assert (simple["frames"], simple["detected"], simple["rate"]) == (9, 9, 1.0)
    assert document["gaze_regions"]["demonstrations"] == [3, 3]
    assert {name: use["items"] for name, use in document["gaze_regions"]["index"].items()} == {
        "training": 8,
        "validation": 8,
    }
    other = document["gaze_pretraining"]
    assert other["dataset"] == "ABCD"
    assert (other["gaze"]["simple"]["frames"], other["gaze"]["simple"]["detected"]) == (9, 3)
    assert {name: use["items"] for name, use in other["gaze_regions"]["index"].items()} == {"pretraining": 30}


def test_each_dataset_is_named_with_scenes_renderer_and_digests(ended) -> None:
    document = to_json(ended)
    told = {source["purpose"]: source for source in document["data"]}
    assert list(told) == ["training", "validation", "pretraining"]
    assert told["training"] == {
        "purpose": "training", "dataset": "D", "demonstrations": 2, "scenes": {"D": 2}, "renderer": "egl",
    }  # fmt: skip
    assert told["pretraining"] == {
        "purpose": "pretraining", "dataset": "ABCD", "demonstrations": 3, "scenes": {"A": 2, "D": 1},
        "renderer": "tiny",
    }  # fmt: skip
    digests = document["environment"]["data_digests"]
    assert {name.split()[1] for name in digests} == {"training", "validation", "pretraining"}
    assert len(set(digests.values())) == len(digests) == 6


def source_of(scenes: dict[str, int], *seen: dict[str, int] | None) -> DataSource:
    """Of a training set of four, two to each ingest job. seen: what the jobs that have ended say of pictures."""
    made = []
    for place, first in enumerate((0, 2), 1):
        entries = [{"number": first}, {"number": first + 1}]
        spec = INGEST.spec_of(spec_of("ingest", source="calvin", root="/d", demonstrations=entries))
        result = None
        if len(seen) >= place:
            values = {"demonstrations": 2, "expert_missed": [], "scenes_seen": seen[place - 1]}
            result = INGEST.result_of(values)
        made.append(JobRecord(place, "ingest", "ingest", "succeeded", 2, spec, result))
    about = INDEX.spec_of(spec_of("index", numbers=[0, 1, 2, 3], about={"scenes": scenes}))
    made.append(JobRecord(3, "index", "index", "succeeded", 0, about, None))
    needs = [(3, 1, "episode"), (3, 2, "episode")]
    (source,) = Corpora(made, needs, {"data": {"root": "/d"}}).sources(made, "/d")
    return source


def test_scenes_that_pictures_told_are_counted_where_the_dataset_says_none() -> None:
    told = source_of({"unknown": 4}, {"D": 2}, {"A": 1, "unknown": 1})
    assert (told.scenes, told.scenes_seen) == ({"A": 1, "D": 2, "unknown": 1}, 3)
    assert "scenes: 1 in A, 2 in D, 1 in unknown (told by the pictures of 3)" in told.told
    assert source_of({"unknown": 4}, {"D": 2}).scenes == {"D": 2, "unknown": 2}, "the other job has not ended"
    assert source_of({"unknown": 4}, {"D": 2}, None).scenes == {"D": 2, "unknown": 2}, "an earlier build's"
    everything = source_of({"unknown": 4}, {"D": 2}, {"D": 2})
    assert everything.told.startswith("d: 4 demonstrations, scenes: 4 in D (told by the pictures), drawn by")
    known = source_of({"B": 4}, {}, {})
    assert (known.scenes, known.scenes_seen) == ({"B": 4}, 0) and "told by" not in known.told


def test_examples_are_of_their_own_frames_and_epochs_of_the_training_index(ended) -> None:
    assert (examples := part(ended, Gaze).examples) and all("of D " in one.caption for one in examples)
    assert ended.runs[0].steps_per_epoch == 8 / 2


def test_the_page_names_both(ended) -> None:
    page = render_html(ended, summarise(ended))
    assert "Gaze regions of the pretraining: ABCD" in page
    assert "ABCD: 3 demonstrations, scenes: 2 in A, 1 in D, drawn by tiny" in page


def test_rows_with_other_data_or_another_detector_are_told_apart(database, store, tmp_path) -> None:
    """Two arms, each with demonstrations of its own; the second has another detector."""
    mine, other = RunRef("mine", 0), RunRef("other", 0)
    planned = [
        *data_jobs("D", "training", "training", [0, 1], {"D": 2}),
        *data_jobs("D", "validation", "validation", [0], {"D": 1}),
        *data_jobs("E", "training of other", "training", [0, 1, 2], {"A": 3}),
    ]
    planned = [
        replace(job, spec={**job.spec, "detector": "oracle"})
        if job.kind == "gaze" and " E " in f" {job.key}"
        else job
        for job in planned
    ]
    training = {"batch_size": 2, "steps": 4, "precision": "fp32", "lora": None}
    for ref, data in ((mine, "D"), (other, "E")):
        index = Dependency(f"index {data} training", "index")
        train = f"train {ref.arm}"
        planned.append(
            PlannedJob(
                train, "train", train, spec_of("train", training=training), "cpu", 50, 1, (index,), (ref,)
            )
        )
        judged = (Dependency(train, "checkpoint"), Dependency("index D validation", "index"))
        planned.append(
            PlannedJob(
                f"judge {ref.arm}", "evaluate", "error", spec_of("evaluate"), "cpu", 50, 1, judged, (ref,)
            )
        )
    config = {"data": {"root": "/data/D"}, "gaze": {"detector": "colour"},
              "arms": {"mine": {"title": "my own"}, "other": {}}}  # fmt: skip
    submit(
        database,
        Plan("k", "mine", config, planned, {mine: "train mine", other: "train other"}),
        "cli.py",
        NOW,
    )
    end_data_jobs(database, store, tmp_path, worker(database), few="E")
    report = gather_report(database, store, "mine")
    document = to_json(report)
    assert document["gaze"]["simple"]["frames"] == 9 == document["gaze"]["simple"]["detected"]
    (apart,) = document["gaze_of_rows"]
    assert (apart["rows"], apart["detector"], document["gaze_detector"]) == (["other"], "oracle", "colour")
    assert (apart["gaze"]["simple"]["frames"], apart["gaze"]["simple"]["detected"]) == (9, 3)
    assert {name: use["items"] for name, use in apart["gaze_regions"]["index"].items()} == {"training": 30}
    assert document["gaze_regions"]["index"]["training"]["items"] == 8
    assert [(d["purpose"], d["dataset"], d["demonstrations"], d.get("rows")) for d in document["data"]] == [
        ("training", "D", 2, ["my own"]), ("training", "E", 3, ["other"]), ("validation", "D", 1, None),
    ]  # fmt: skip
    digests = document["environment"]["data_digests"]
    assert len(set(digests.values())) == 6 and "demonstrations training of other" in digests
    assert [run.steps_per_epoch for run in report.runs] == [8 / 2, 30 / 2]
    assert all("of D " in example.caption for example in part(report, Gaze).examples)
    page = render_html(report, summarise(report))
    assert "Of the row other" in page and "The row other has other demonstrations or regions: below." in page
