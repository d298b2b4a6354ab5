"""The report's gaze section comes from what gaze and index jobs said, and its counts add up to the frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sqlalchemy import select

from calvin.episode_file import save_episode
from db import jobs, queries, states
from db.plans import Plan, PlannedJob, submit
from db.schema import Event
from db.values import Ending
from errors import InvalidInput
from experiments.reconvla.report.gaze import gaze_regions, gaze_scores
from experiments.reconvla.report.gaze_data import GazeRegions, ObjectScores
from experiments.reconvla.report.parts.gaze import Gaze
from reports.document import to_json
from reports.html import render_html
from reports.summary import summarise
from tasks.context import Draft
from tasks.data import index
from tasks.gaze import run as gaze
from tests import support
from tests.calvin.samples import make_episode
from tests.detectors.scenes import PAINT, paint, table
from tests.job_specs import record, result_of, spec_of
from tests.reports.samples import made
from tests.support import NOW, attempts, planned, row, start, worker
from tests.tasks.fake_context import FakeContext, input_file
from tests.toy_kinds import done
from tests.workers.conftest import Bench, bench
from workers.records import job_records

FRAMES, HIDDEN = 10, 6

__all__ = ["bench"]


def episodes():
    """A block in sight, then hidden, then a dead camera; a handle with true boxes; and words of another language."""
    seen, bare = table(), table()
    paint(seen, (90, 90, 106, 106), PAINT["red_block"])
    frames = np.stack([seen, seen, *[bare] * HIDDEN, np.zeros_like(seen), seen])
    boxes = tuple({"drawer_handle": None if frame == 2 else (20, 30, 60, 70)} for frame in range(FRAMES))
    return {
        "colour": make_episode(frames=FRAMES, rgb_static=frames, task="lift_red_block_table", boxes=None),
        "oracle": make_episode(frames=FRAMES, boxes=boxes, task="open_drawer"),
        "colour again": make_episode(frames=FRAMES, task="n/a", instruction="schiebe den Griff nach links"),
    }


@pytest.fixture
def ended(database, tmp_path):
    """Three gaze jobs and an index have ended, a fourth gaze job has not."""
    names = [*episodes(), "unfinished"]
    plan = [PlannedJob(name, "gaze", name, spec_of("gaze"), "cpu", 50, 1, (), ()) for name in names]
    plan.append(PlannedJob("index", "index", "index", spec_of("index"), "cpu", 50, 1, (), ()))
    submit(database, Plan("k", "mine", {}, plan), "cli.py", NOW)
    worker_id = worker(database)
    inputs = []
    for number, (name, episode) in enumerate(episodes().items()):
        path = tmp_path / f"{number}.safetensors"
        save_episode(episode, path)
        inputs.append(input_file("episode", "episode", f"task_{number}", path))
        spec = {"number": number, "detector": name.split()[0], "options": {}}
        context = FakeContext(tmp_path / name, spec, [inputs[-1]])
        found = gaze.run(context)
        inputs.append(context.keep(found.artifacts[0], 0, role="gaze"))
        finish(database, worker_id, name, found.result)
    spec = {"numbers": [0, 1, 2], "split": "training", "untrusted": "drop"}
    made = index.run(FakeContext(tmp_path / "index", spec, inputs))
    finish(database, worker_id, "index", made.result)
    return job_records(database, queries.ablation_row(database, None).id)


def finish(database, worker_id, label, result):
    jobs.succeed(
        database, start(database, label, worker_id), Ending(states.SUCCEEDED, 1, result=result.row()), NOW
    )


def test_counts_add_up_to_the_frames(ended):
    regions, scores = gaze_regions(ended), gaze_scores(ended)
    assert regions.frames == 3 * FRAMES and regions.demonstrations == (3, 4)
    assert sum(regions.sources.values()) + sum(regions.reasons.values()) == regions.frames
    assert sum(entry.frames for entry in regions.objects.values()) == regions.frames
    assert sum(entry.frames for entry in scores.values()) == regions.frames
    for entry in scores.values():
        assert sum(entry.outcomes.values()) == entry.frames
    # Every reason is one that these frames were made for.
    assert regions.reasons == {"blank_frame": 1, "occluded": 1, "unknown_wording": FRAMES}
    assert regions.sources["remembered"] == HIDDEN
    assert regions.with_region - regions.trusted == HIDDEN
    used = regions.index["training"]
    assert used.items + used.dropped == regions.frames and used.items == regions.trusted
    assert used.weighed_down == 0 and used.with_target == regions.trusted


def test_wording_that_is_not_understood_is_told_with_what_to_do(ended):
    regions = gaze_regions(ended)
    assert regions.by_task == (0, 0)
    data = made("x", (), Gaze(gaze_scores(ended), regions))
    page = render_html(data, summarise(data))
    assert "<code>gaze.unknown_wording=task</code> takes the task's target instead." in page
    assert "the task's target was taken" not in page
    taken = dataclasses.replace(
        regions, reasons={"blank_frame": FRAMES + 2}, by_task=(1, FRAMES)
    )  # fmt: skip
    data = made("x", (), Gaze(gaze_scores(ended), taken))
    page = render_html(data, summarise(data))
    assert "gaze.unknown_wording" not in page
    assert f"In 1 of 3 demonstrations ({FRAMES} frames) the instruction is not understood" in page
    assert to_json(data)["gaze_regions"]["by_task"] == [1, FRAMES]


def test_results_of_earlier_versions_did_not_count_the_tasks_targets(ended):
    first, second = [job.result.row() for job in ended if job.kind == "gaze" and job.result][:2]
    first["by_task"] = {"demonstrations": 1, "frames": FRAMES}
    del second["by_task"], second["format"]
    counted = [record("gaze", result=values) for values in (first, second)]
    assert gaze_regions(counted).by_task == (1, FRAMES)


def test_objects_are_scored_where_the_truth_is_known(ended):
    regions = gaze_regions(ended)
    handle = regions.objects["drawer_handle"]
    assert (handle.frames, handle.visible, handle.detected, handle.mean_iou) == (
        FRAMES,
        FRAMES - 1,
        FRAMES - 1,
        1.0,
    )
    assert handle.rate == 1.0
    block = regions.objects["red_block"]
    assert (block.frames, block.visible, block.rate, block.mean_iou) == (FRAMES, 0, None, None)
    assert regions.objects["nothing"].frames == FRAMES


def test_page_and_document_say_the_same(ended):
    regions = gaze_regions(ended)
    data = made("x", (), Gaze(gaze_scores(ended), regions))
    page = render_html(data, summarise(data))
    told = to_json(data)["gaze_regions"]
    assert "30 frames of 3 demonstrations (1 more have not been looked at): " in page
    assert (
        f"{regions.trusted} with a trusted region, {HIDDEN} with a doubtful one, {regions.without_region} without any"
        in page
    )
    assert told["trusted"] + told["untrusted"] + told["without_region"] == told["frames"]
    for name, count in (told["sources"] | told["reasons"]).items():
        assert f"{name.replace('_', ' ')}</th><td>{count}</td>" in page
    for name in told["objects"]:
        assert f'<th scope="row">{name.replace("_", " ")}</th>' in page
    assert f"<td>{told['index']['training']['dropped']}</td></tr>" in page


@pytest.fixture
def one_failed(database, bench: Bench):
    """Of three gaze jobs of the real body one cannot work: the oracle, where nobody knows the true boxes."""
    made = list(episodes().values())

    def ingest(context):
        files = [context.scratch / f"task_{number}.safetensors" for number in range(len(made))]
        for file, episode in zip(files, made, strict=True):
            save_episode(episode, file)
        return done([Draft("episode", file.stem, file) for file in files], result=result_of("ingest"))

    detectors = ("oracle", "oracle", "colour")
    jobs_of_gaze = [
        planned(
            f"gaze {number}",
            ["ingest"],
            kind="gaze",
            role="episode",
            spec={"number": number, "detector": name, "options": {}},
        )
        for number, name in enumerate(detectors)
    ]
    support.submit(database, planned("ingest", spec=spec_of("ingest")), *jobs_of_gaze)
    bench.run("ingest", ingest)
    for planned_job in jobs_of_gaze:
        bench.run(planned_job.label, gaze.run)
    assert [row(database, one.label).state for one in jobs_of_gaze] == ["failed", "succeeded", "succeeded"]


def test_a_gaze_job_that_fails_leaves_its_reason(database, one_failed):
    failed = row(database, "gaze 0")
    assert "oracle" in failed.error and "true boxes" in failed.error
    (attempt,) = attempts(database, "gaze 0")
    assert (attempt.outcome, attempt.reason) == (states.FAILED, failed.error)
    with database.read() as tx:
        told = tx.execute(select(Event.message).where(Event.attempt_id == attempt.id)).scalars().all()
    assert any(failed.error in message for message in told)
    assert queries.failures(database, queries.ablation_row(database, None).id) == [("gaze 0", failed.error)]


def test_counts_add_up_where_a_job_failed_and_others_found_nothing(database, one_failed):
    """Frames that nobody looked at are told as demonstrations; those of the others are all accounted for."""
    ended = job_records(database, queries.ablation_row(database, None).id)
    regions, scores = gaze_regions(ended), gaze_scores(ended)
    assert regions.demonstrations == (2, 3) and regions.frames == 2 * FRAMES
    assert sum(regions.sources.values()) + sum(regions.reasons.values()) == regions.frames
    assert regions.reasons == {"occluded": 1, "unknown_wording": FRAMES}
    assert sum(entry.frames for entry in scores.values()) == regions.frames
    assert {level: sum(entry.outcomes.values()) for level, entry in scores.items()} == {
        level: entry.frames for level, entry in scores.items()
    }
    data = made("x", (), Gaze(scores, regions))
    page = render_html(data, summarise(data))
    assert "20 frames of 2 demonstrations (1 more have not been looked at): " in page


def test_before_any_gaze_job_ended_there_is_nothing_to_say(ended):
    assert gaze_regions([row for row in ended if row.state != states.SUCCEEDED]) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"frames": 11}, "sources and reasons add up to 10 of 11 frames"),
        ({"trusted": 9}, "9 of 8 regions are trusted"),
        ({"objects": {}}, "objects add up to 0 of 10 frames"),
    ],
)
def test_counts_that_do_not_add_up_are_refused(change, sentence):
    objects = {"button": ObjectScores(10, 10, 8, 0.9, 0, 0)}
    right = GazeRegions(10, 7, {"first_pass": 8}, {"not_found": 2}, objects)
    with pytest.raises(InvalidInput, match=sentence):
        dataclasses.replace(right, **change)
