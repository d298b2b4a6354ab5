"""Report data for tests: two arms, two seeds, made-up but consistent."""

from __future__ import annotations

from functools import cache

import numpy as np

from reports.data import (
    AttentionPanel,
    AttentionScores,
    Environment,
    FinalWeights,
    Ledger,
    LossPoint,
    Reconstruction,
    ReportData,
    RunReport,
    Slice,
    TaskScore,
    Video,
)
from reports.gaze_data import GazeExample, GazeRegions, GazeScores, IndexUse, ObjectScores
from reports.summary import Summary, summarise


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
        attention=AttentionScores(
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
        if arm != "baseline"
        else None,
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


def _map(row: int, column: int) -> np.ndarray:
    """Attention of a model that looks at one patch of 6 x 6 mostly."""
    weights = np.full((6, 6), 0.01, np.float32)
    weights[row, column] = 0.5
    return weights


def full() -> ReportData:
    """Everything measured."""
    image = np.full((200, 200, 3), 120, np.uint8)
    image[80:96, 60:76] = (200, 0, 0)
    return ReportData(
        ablation="recon <quick>",
        ablation_id="a1b2c3",
        runs=tuple(
            run(arm, seed, mean)
            for arm, mean in (("baseline", 1.6), ("recon", 2.4), ("recon_pretrain", 2.6))
            for seed in (0, 1)
        ),
        random_results=(0,) * 58 + (1, 2),
        gaze={
            "simple": GazeScores(100, 97, 0.97, 0.94, {"detected": 97, "not_found": 3}),
            "complex": GazeScores(40, 30, 0.75, 0.71, {"detected": 30, "misplaced": 4, "occluded": 6}),
            "absent": GazeScores(5, 0, None, None, {"occluded": 5}),
            "unlabelled": GazeScores(0, 0, None, None, {}),
        },
        gaze_regions=GazeRegions(
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
        gaze_detector="colour 1",
        gaze_examples=(
            GazeExample(image, (60, 80, 76, 96), "lift_red_block_table, frame 3: red block"),
            GazeExample(
                image, (70, 84, 90, 104), "lift_red_block_table, frame 5: doubtful", False, (60, 80, 76, 96)
            ),
            GazeExample(image, None, "turn_on_led, frame 9: occluded"),
        ),
        ledger=Ledger(549.0, 12.0, 21.0, 6.0, 12.0, preemptions=3, losses=1),
        ledger_by_kind={
            "train": Ledger(500.0, 12.0, 21.0, 5.0, 2.0),
            "evaluate": Ledger(49.0, 0.0, 0.0, 1.0, 10.0),
            "report": Ledger(0.0, 0.0, 0.0, 0.0, 0.0),
        },
        attention_panels=(
            AttentionPanel(
                np.full((48, 48, 3), 90, np.uint8),
                (4.0, 8.0, 12.0, 16.0),
                "open the drawer",
                {"baseline": _map(0, 0), "+ reconstruction loss": _map(2, 3)},
            ),
        ),
        reconstructions=(
            Reconstruction("recon", *(np.full((20, 30, 3), level, np.uint8) for level in (10, 20, 200))),
        ),
        videos=(Video("open the drawer, sequence 4", b"not really mp4"),),
        environment=Environment(
            command="python cli.py submit-ablation --preset quick",
            hardware="8 x CPU",
            versions={"torch": "2.13.0", "python": "3.11.2"},
            data_digests={"training index": "9f" * 32},
            final_weights={"recon seed 0": FinalWeights(f"artifacts/3a/{'3a' * 32}.safetensors", "3a" * 32)},
        ),
    )


def open_loop() -> ReportData:
    """Nothing measured in closed loop."""
    return ReportData(
        ablation="open loop only",
        runs=(RunReport("baseline", 0, train_steps=10), RunReport("recon", 0, train_steps=10)),
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
