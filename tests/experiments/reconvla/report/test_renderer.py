"""What is said about the renderers of frames and evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from experiments.reconvla.report.renderer import frames_told, renderer_warning, simulators_told
from tasks.specs import NOT_LOOKED_AT
from tests.job_specs import record


def shard(frames: str | None, used: str | None) -> Any:
    told = {"simulator": "playtable", "scene": "D", "renderer": used, "assets_digest": "0123456789abcdef"}
    result = {"simulator_description": None if used is None else told}
    return record("evaluate", {"mode": "closed_loop", "frames_renderer": frames}, result)


def test_the_same_renderer_needs_no_warning() -> None:
    assert renderer_warning([shard("tiny", "tiny"), shard("tiny", "tiny")]) is None


def test_nothing_is_said_before_anything_was_drawn() -> None:
    waiting = replace(shard("egl", None), result=None)
    assert renderer_warning([waiting, shard("egl", None)]) is None
    assert simulators_told([waiting]) == ""


@pytest.mark.parametrize(
    ("frames", "used", "words"),
    [
        ("egl", ["tiny"], "drawn by renderer egl, the evaluation by tiny"),
        ("tiny", ["egl", "tiny"], "drawn by renderer tiny, the evaluation by egl and tiny"),
        (None, ["egl"], "renderer egl; the dataset does not tell what drew its frames"),
    ],
)
def test_a_difference_is_told(frames: str | None, used: list[str], words: str) -> None:
    assert words in (renderer_warning([shard(frames, name) for name in used]) or "")


def test_jobs_of_other_kinds_and_older_ones_are_passed_over() -> None:
    older = shard(NOT_LOOKED_AT, "tiny")
    training = record("train", result={"steps": 1})
    assert renderer_warning([older, training]) is None
    assert simulators_told([older, training]) == (
        "assets_digest 0123456789ab, renderer tiny, scene D, simulator playtable"
    )


def with_basis(frames: str | None, basis: str, used: str, **entries: Any) -> Any:
    job = shard(frames, used)
    return replace(job, spec=replace(job.spec, frames_basis=basis, **entries))


def test_what_the_claim_rests_on_is_told() -> None:
    known = with_basis("egl", "its frames are those of a download", "egl")
    assert renderer_warning([known]) is None
    assert frames_told([known, known]) == "egl (its frames are those of a download)"
    other = with_basis("egl", "its frames are those of a download", "tiny")
    assert "(its frames are those of a download)" in (renderer_warning([other]) or "")


def test_unknown_is_not_taken_for_the_same() -> None:
    unknown = with_basis(None, "only a file says tiny", "tiny")
    warning = renderer_warning([unknown]) or ""
    assert "what drew the training frames is unknown (only a file says tiny)" in warning
    assert frames_told([unknown]) == "unknown (only a file says tiny)"


def test_other_scenes_than_the_evaluations_are_told() -> None:
    own = with_basis("tiny", "recorded", "tiny", frames_scenes="baton", scenes="calvin")
    assert (
        renderer_warning([own]) == "Training frames show Baton's own scenes, the evaluation shows CALVIN's."
    )
    assert renderer_warning([with_basis("tiny", "x", "tiny", frames_scenes="baton", scenes="baton")]) is None


def test_tasks_without_demonstrations_are_told() -> None:
    told = renderer_warning([with_basis("egl", "x", "egl", untrained_tasks=("stack_block", "open_drawer"))])
    assert told == "No training demonstration shows open_drawer, stack_block, which the evaluation asks for."


def test_a_difference_of_some_rows_is_told_of_these() -> None:
    rows = [
        replace(shard(frames, "tiny"), arm=arm) for arm, frames in (("a", "tiny"), ("b", "egl"), ("c", "egl"))
    ]
    said = renderer_warning(rows, {"b": "one", "c": "other"}.__getitem__) or ""
    assert said.startswith(
        "Of one, other: Training frames were drawn by renderer egl, the evaluation by tiny"
    )
    crossed = [replace(shard("egl", "tiny"), arm="a"), replace(shard("tiny", "egl"), arm="b")]
    assert (renderer_warning(crossed) or "").count("policies do worse") == 2
    assert (renderer_warning(rows[1:]) or "").startswith("Training frames were drawn"), "all rows alike"
