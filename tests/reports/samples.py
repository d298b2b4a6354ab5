"""Report data for tests: two arms, two seeds, made-up but consistent."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import numpy as np

from experiments.reconvla.report.attention_scores import AttentionScores
from experiments.reconvla.report.gaze_data import GazeExample, GazeRegions, GazeScores, IndexUse, ObjectScores
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.parts.attention import Attention, AttentionPanel
from experiments.reconvla.report.parts.gaze import Gaze, PretrainingGaze
from experiments.reconvla.report.parts.looks import Looks
from experiments.reconvla.report.parts.reconstructions import Reconstruction, Reconstructions
from experiments.reconvla.report.published import published_for
from experiments.reconvla.report.sections import ORDER, sections
from reports.data import LossPoint, ReportData, RunReport, Slice, TaskScore
from reports.parts.device_time import DeviceTime, Ledger
from reports.parts.films import Films, Video
from reports.parts.reproduction import Environment, FinalWeights, Reproduction
from reports.section import Part
from reports.summary import Summary, summarise

P = TypeVar("P", bound=Part)


def made(ablation: str, runs: tuple[RunReport, ...], *parts: Part, **fields: Any) -> ReportData:
    """A report with ReconVLA's sections; those of `parts` that are not given have nothing to show."""
    given = {type(part): part for part in parts}
    kinds = (Films, Looks, Reconstructions, Attention, Gaze, PretrainingGaze, DeviceTime, Reproduction)
    return ReportData(
        ablation,
        TASKS_IN_A_ROW,
        runs,
        sections(*(given.get(kind) or kind() for kind in kinds)),
        published=published_for({run.arm for run in runs}),
        order=ORDER,
        **fields,
    )


def part(report: ReportData, kind: type[P]) -> P:
    """The one part of its kind."""
    (found,) = (one for one in report.parts() if isinstance(one, kind))
    return found


def results(seed: int, mean: float, sequences: int = 60) -> tuple[int, ...]:
    """Reproducible results 0..5 around `mean`."""
    draws = np.random.default_rng(seed).normal(mean, 1.6, sequences)
    return tuple(int(value) for value in np.clip(np.round(draws), 0, 5))


def run(arm: str, seed: int, mean: float) -> RunReport:
    """A run with everything measured."""
    losses = [LossPoint(step, "action", 3.0 / (1 + step / 40) + 0.1 * seed) for step in range(0, 300, 10)]
    if arm != "baseline":
        losses += [LossPoint(step, "reconstruction", 1.0 / (1 + step / 90)) for step in range(0, 300, 10)]
    return RunReport(
        arm,
        seed,
        train_steps=300,
        results=results(seed, mean),
        open_loop_error=0.12 - 0.01 * mean,
        held_out_loss=1.5 - 0.1 * mean,
        losses=tuple(losses),
        slices=4,
        device_seconds=100.0,
        useful_seconds=91.5,
        curves=(
            LossPoint(100, "validation/action", 2.0),
            LossPoint(300, "validation/action", 1.2),
            LossPoint(100, "validation/action_error", 0.1),
            LossPoint(150, "open_loop/error", 0.4),
            LossPoint(300, "open_loop/error", 0.3 - 0.02 * seed),
        ),
        attempts=(
            Slice(0, 100, 30.0, "yielded"),
            Slice(100, 140, 15.0, "lost"),
            Slice(100, 220, 40.0, "preempted"),
            Slice(220, 300, 20.0, "succeeded"),
        ),
        steps_per_epoch=75.0,
        tasks={"open_drawer": TaskScore(40, 12), "lift_red_block_table": TaskScore(9, 0)},
    )


def attention_scores() -> AttentionScores:
    """Of a run, everything measured."""
    return AttentionScores(
        0.21,
        0.4,
        (0.18, 0.24),
        (0.31, 0.49),
        entropy_bits=5.1,
        entropy_bits_ci95=(5.0, 5.2),
        static_share=0.7,
        centre_mass_in_gaze=0.06,
        centre_pointing_accuracy=0.1,
        centre_entropy_bits=4.6,
        mass_over_centre_ci95=(0.12, 0.18),
        pointing_over_centre_ci95=(0.2, 0.4),
        frames=64,
        true_boxes=64,
        layers=3,
    )


def _map(row: int, column: int) -> np.ndarray:
    """Attention of a model that looks at one patch of 6 x 6 mostly."""
    weights = np.full((6, 6), 0.01, np.float32)
    weights[row, column] = 0.5
    return weights


def full() -> ReportData:
    """Everything measured."""
    image = np.full((200, 200, 3), 120, np.uint8)
    image[80:96, 60:76] = (200, 0, 0)
    runs = tuple(
        run(arm, seed, mean)
        for arm, mean in (("baseline", 1.6), ("recon", 2.4), ("recon_pretrain", 2.6))
        for seed in (0, 1)
    )
    maps = (("baseline", _map(0, 0)), ("+ reconstruction loss", _map(2, 3)))
    panel = AttentionPanel(
        np.full((48, 48, 3), 90, np.uint8), (4.0, 8.0, 12.0, 16.0), "open the drawer", maps
    )
    pictures = [np.full((20, 30, 3), level, np.uint8) for level in (10, 20, 200)]
    return made(
        "recon <quick>",
        runs,
        Films((Video("open the drawer, sequence 4", b"not really mp4"),)),
        Reconstructions((Reconstruction("recon", *pictures),)),
        Attention(
            {(run.arm, run.seed): attention_scores() for run in runs if run.arm != "baseline"}, (panel,)
        ),
        Gaze(
            scores={
                "simple": GazeScores(100, 97, 0.97, 0.94, {"detected": 97, "not_found": 3}),
                "complex": GazeScores(40, 30, 0.75, 0.71, {"detected": 30, "misplaced": 4, "occluded": 6}),
                "absent": GazeScores(5, 0, None, None, {"occluded": 5}),
                "unlabelled": GazeScores(0, 0, None, None, {}),
            },
            regions=GazeRegions(
                145,
                120,
                {"first_pass": 20, "second_pass": 4, "tracked": 40, "unchanged": 60, "remembered": 7},
                {"occluded": 11, "not_found": 3},
                {
                    "red_block": ObjectScores(100, 96, 90, 0.91, 1, 2, 4),
                    "nothing": ObjectScores(45, 0, 0, None, 0, 0),
                },
                {"training": IndexUse(100, 96, 7, 0), "validation": IndexUse(45, 35, 0, 0)},
                (9, 9),
            ),
            detector="colour 1",
            examples=(
                GazeExample(image, (60, 80, 76, 96), "lift_red_block_table, frame 3: red block"),
                GazeExample(
                    image,
                    (70, 84, 90, 104),
                    "lift_red_block_table, frame 5: doubtful",
                    False,
                    (60, 80, 76, 96),
                ),
                GazeExample(image, None, "turn_on_led, frame 9: occluded"),
            ),
        ),
        DeviceTime(
            Ledger(549.0, 12.0, 21.0, 6.0, 12.0, preemptions=3, losses=1),
            {
                "train": Ledger(500.0, 12.0, 21.0, 5.0, 2.0),
                "evaluate": Ledger(49.0, 0.0, 0.0, 1.0, 10.0),
                "report": Ledger(0.0, 0.0, 0.0, 0.0, 0.0),
            },
        ),
        Reproduction(
            Environment(
                command="python cli.py submit-ablation --preset quick",
                hardware="8 x CPU",
                versions={"torch": "2.13.0", "python": "3.11.2"},
                data_digests={"training index": "9f" * 32},
                final_weights={
                    "recon seed 0": FinalWeights(f"artifacts/3a/{'3a' * 32}.safetensors", "3a" * 32)
                },
            )
        ),
        ablation_id="a1b2c3",
        random_results=(0,) * 58 + (1, 2),
    )


def open_loop() -> ReportData:
    """Nothing measured in closed loop."""
    return made(
        "open loop only",
        (RunReport("baseline", 0, train_steps=10), RunReport("recon", 0, train_steps=10)),
        closed_loop_reason="no simulator of scene B on this machine",
    )


@cache
def full_summary() -> Summary:
    """Of `full`; its statistics take a second."""
    return summarise(full())


@cache
def open_loop_summary() -> Summary:
    """Of `open_loop`."""
    return summarise(open_loop())
