"""What is said about the renderers of frames and evaluation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workers.report_renderer import renderer_warning, simulators_told


def shard(frames: str | None, used: str | None) -> Any:
    told = {"simulator": "playtable", "scene": "D", "renderer": used, "assets_digest": "0123456789abcdef"}
    result = {"simulator_description": None if used is None else told}
    return SimpleNamespace(
        kind="evaluate", spec={"mode": "closed_loop", "frames_renderer": frames}, result=result
    )


def test_the_same_renderer_needs_no_warning() -> None:
    assert renderer_warning([shard("tiny", "tiny"), shard("tiny", "tiny")]) is None


def test_nothing_is_said_before_anything_was_drawn() -> None:
    waiting = shard("egl", None)
    waiting.result = None
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
    older = shard(None, "tiny")
    del older.spec["frames_renderer"]
    training = SimpleNamespace(kind="train", spec={"steps": 1}, result={"step": 1})
    assert renderer_warning([older, training]) is None
    assert simulators_told([older, training]) == (
        "assets_digest 0123456789ab, renderer tiny, scene D, simulator playtable"
    )
