"""Tables that people read on a terminal of 80 columns, or in a pipe, which rich takes for one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from commands.gaze_tables import difficulty_table, object_table, source_table, stage_table
from detectors.base import Detection, NoTarget, Reason
from detectors.pipeline import STAGES
from detectors.scoring import FrameTruth, score_frame, summarise, summarise_objects
from detectors.targets.table import TASK_PHASES

BOX = (50.0, 50.0, 70.0, 70.0)
OBJECTS = sorted({target.object for phases in TASK_PHASES.values() for target in phases})


@pytest.fixture
def result():
    """A summary with every object, every difficulty and many outcomes."""
    answers = [Detection(BOX, 0.9, "it"), Detection(BOX, 0.2, "it"), *map(NoTarget, Reason)]
    truths = [FrameTruth(BOX), FrameTruth(BOX, 0.1), FrameTruth(None), None]
    frames = [
        score_frame(answer, truth, 40_000, name)
        for name in OBJECTS
        for answer in answers
        for truth in truths
        for _ in range(100)
    ]
    return {
        "figures": summarise(frames),
        "objects": summarise_objects(frames),
        "sources": {reason.value: 123_456 for reason in Reason},
        "trusted": 123_456,
    }


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("make", [source_table, object_table, difficulty_table, stage_table])
def test_nothing_is_cut_or_wrapped(result, make, width):
    runs = [result | {"stages": list(STAGES[:count])} for count in range(len(STAGES) + 1)]
    table = make(runs if make is stage_table else result)
    printed = [
        Console(file=text, width=columns).print(table) or text.getvalue()
        for columns, text in ((width, io.StringIO()), (1000, io.StringIO()))
    ]
    assert printed[0] == printed[1]
    assert "…" not in printed[0]


def test_every_object_has_its_line_with_its_figures(result):
    text = io.StringIO()
    Console(file=text, width=80).print(object_table(result))
    lines = {line.split()[0]: line.split()[1:] for line in text.getvalue().splitlines()}
    entry = result["objects"]["slider_handle"]
    assert lines["slider_handle"] == [
        str(entry["frames"]), str(entry["visible"]), str(entry["detected"]), f"{100 * entry['rate']:.1f}%",
        f"{entry['mean_iou']:.3f}", str(entry["trusted_right"]), str(entry["trusted_wrong"]),
        str(entry["false_targets"]),
        f"{100 * entry['false_rate']:.1f}%",
    ]  # fmt: skip
