"""Tables of docs/gaze.md, of the benchmarks' last results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from detectors.pipeline import STAGES
from docs.generate_figures import REPOSITORY, table

RESULTS = REPOSITORY / "benchmarks" / "results"


def _read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def colour_stages() -> str:
    return _stages(
        "gaze_complex_colour.json",
        [
            ("none; `second_pass`; `phrase`", 0, ""),
            ("and `colour`, `size`", 4, ""),
            ("and `place`, `overlap`", 6, ""),
            ("and `calibration`", 7, ""),
            ("and `temporal`", 8, ""),
            ("and `key_frames`", 9, ""),
            ("all without `temporal`", 9, "temporal"),
            ("all without `calibration`", 9, "calibration"),
        ],
    )


def grounding_dino_stages() -> str:
    return _stages(
        "gaze_complex_grounding_dino.json",
        [
            ("none", 0, ""),
            ("`second_pass`; and `phrase`", 2, ""),
            ("and `colour`", 3, ""),
            ("and `size`", 4, ""),
            ("and `place`, `overlap`", 6, ""),
            ("and `calibration`", 7, ""),
            ("and `temporal`", 8, ""),
            ("and `key_frames` (detects a fraction of the frames)", 9, ""),
            ("all without `second_pass`", 9, "second_pass"),
            ("all without `calibration`", 9, "calibration"),
            ("all without `temporal`", 9, "temporal"),
        ],
    )


def _stages(name: str, rows: Sequence[tuple[str, int, str]]) -> str:
    """Rows of (what is said, how many stages are on, which of them is not)."""
    by_stages = {frozenset(row["stages"]): row for row in _read(name)["stages"]}
    head = "stages", "simple", "complex", "mean IoU", "trusted and right", "trusted and wrong"
    return table(
        (*head, "of these false targets", "guesses"),
        (
            (said, *_scores(by_stages[frozenset(STAGES[:count]) - {left_out}]))
            for said, count, left_out in rows
        ),
    )


def _scores(row: dict[str, Any]) -> list[str]:
    """Detected by difficulty, overlap of what was detected, what training takes at full weight, what is wrong."""
    every = row["all"]
    right = 100 * every["trusted_right"] / every["visible"]
    return [
        *(f"{100 * row[difficulty]['rate']:.1f} %" for difficulty in ("simple", "complex")),
        f"{every['mean_iou']:.3f}",
        f"{right:.1f} %",
        *(str(every[what]) for what in ("trusted_wrong", "false_targets", "guesses")),
    ]


def speed() -> str:
    small = "GroundingDINO (small model)"
    rows = [
        (
            "colour, 38 demonstrations of calvin_mini (26 to 39 frames, in motion throughout)",
            "colour_calvin_mini",
        ),
        ("colour, the 8 of its validation split alone", "colour_calvin_mini_validation"),
        ("colour, 8 demonstrations of the scripted expert", "colour_expert"),
        (f"{small}, 38 demonstrations of calvin_mini", "grounding_dino_calvin_mini"),
        (f"{small}, the 8 of its validation split alone", "grounding_dino_calvin_mini_validation"),
        (f"{small}, 12 demonstrations of the scripted expert", "grounding_dino_expert"),
    ]
    head = (
        "detector and frames",
        "frames",
        "ratio",
        "mean IoU with the loop's boxes",
        "with the true boxes, loop",
    )
    return table((*head, "pipeline", "kept", "found, or not, by both"), (_speed(*row) for row in rows))


def _speed(said: str, name: str) -> list[str]:
    held = _read(f"gaze_throughput_{name}.json")
    overlaps = [f"{held[key]:.3f}" for key in ("mean_iou", "true_iou_of_loop", "true_iou_of_pipeline")]
    shares = [f"{100 * held[key]:.1f} %" for key in ("share_of_true_iou", "found_or_not_alike")]
    return [said, str(held["frames"]), f"{held['ratio']:.1f}", *overlaps, *shares]
