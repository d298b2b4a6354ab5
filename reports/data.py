"""What a report is made of: frozen values, filled in by whoever has the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from errors import InvalidInput


@dataclass(frozen=True)
class LossPoint:
    """One point of a loss curve; `name` is the loss (`action`, `reconstruction`, ...)."""

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class AttentionScores:
    """Share of attention inside the gaze region and of frames whose peak lies in it, both 0..1."""

    mass_in_gaze: float
    pointing_accuracy: float


@dataclass(frozen=True)
class RunReport:
    """One arm with one seed. What was not measured is None.

    `results`: tasks done in a row (0..5) per sequence, in the sequences' order. `open_loop_error`: mean
    absolute error of predicted actions on the validation split, in action units (-1..1). `slices`: training
    attempts. `useful_seconds`: device time whose steps are in the final weights. `title`: what people read
    for the arm's name; the name itself where empty.
    """

    arm: str
    seed: int
    train_steps: int
    results: tuple[int, ...] | None = None
    open_loop_error: float | None = None
    losses: tuple[LossPoint, ...] = ()
    slices: int = 0
    device_seconds: float | None = None
    useful_seconds: float | None = None
    attention: AttentionScores | None = None
    title: str = ""


@dataclass(frozen=True)
class GazeScores:
    """Detection figures of the frames of one difficulty; the counts in `outcomes` add up to `frames`."""

    frames: int
    detected: int
    rate: float | None
    mean_iou: float | None
    outcomes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class GazeExample:
    """A frame for the overlay: (H, W, 3) uint8 image, box in pixels (None: no target) and a caption."""

    image: NDArray[np.uint8]
    box: tuple[float, float, float, float] | None
    caption: str


@dataclass(frozen=True)
class Ledger:
    """Where device time went, in seconds, and how often machines went away. None: not measured."""

    useful_seconds: float | None = None
    replayed_seconds: float | None = None
    checkpoint_seconds: float | None = None
    load_seconds: float | None = None
    idle_seconds: float | None = None
    preemptions: int = 0
    losses: int = 0


@dataclass(frozen=True)
class Environment:
    """How to get the same figures again."""

    command: str = ""
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    data_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportData:
    """Everything in the report of one ablation.

    `runs` in display order: arms appear in the order of their first run. `closed_loop_reason` says why there
    are no success rates, where there are none. `gaze`: figures by difficulty (`simple`, `complex`, `absent`,
    `unlabelled`). `random_results`: the same sequences driven by random actions.
    """

    ablation: str
    runs: tuple[RunReport, ...]
    ablation_id: str = ""
    closed_loop_reason: str | None = None
    random_results: tuple[int, ...] | None = None
    gaze: Mapping[str, GazeScores] | None = None
    gaze_detector: str = ""
    gaze_examples: tuple[GazeExample, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    environment: Environment = field(default_factory=Environment)

    def __post_init__(self) -> None:
        pairs = [(run.arm, run.seed) for run in self.runs]
        twice = sorted({pair for pair in pairs if pairs.count(pair) > 1})
        if twice:
            raise InvalidInput(f"report of {self.ablation!r}: runs given twice (arm, seed): {twice}")

    def arms(self) -> dict[str, tuple[RunReport, ...]]:
        """Runs by arm, arms in the order of their first run."""
        grouped: dict[str, tuple[RunReport, ...]] = {}
        for run in self.runs:
            grouped[run.arm] = (*grouped.get(run.arm, ()), run)
        return grouped
