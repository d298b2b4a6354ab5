"""What a report is made of: frozen values, filled in by whoever has the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from errors import InvalidInput
from reports.gaze_data import GazeExample, GazeRegions, GazeScores, OtherGaze

Interval = tuple[float, float]


@dataclass(frozen=True)
class LossPoint:
    """One point of a loss curve; `name` is the loss (`action`, `reconstruction`, ...)."""

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class Slice:
    """One ended attempt of a training job: the steps it did, in how many seconds (None: not measured), and how it
    ended."""

    step_from: int
    step_to: int
    seconds: float | None
    outcome: str


@dataclass(frozen=True)
class AttentionScores:
    """Where a model looks, over held-out frames; intervals are 95 %, None where not measured.

    Share of the attention on image patches that lies in the gaze region (0..1), share of frames whose peak
    does, entropy in bits, share on the static camera's part. `centre_*`: the same figures of a Gaussian in
    the middle of the static picture; `*_over_centre_ci95`: of the paired difference to it. `true_boxes`:
    frames whose region is the simulator's; the others have the detector's. `layer` counts from 0, or from the
    end where negative, of `layers` (None: not recorded); `heads`: those averaged over, all where empty.
    `by_demonstration`: the number of `frames` of each demonstration, and means over them by name.
    """

    mass_in_gaze: float
    pointing_accuracy: float
    mass_in_gaze_ci95: Interval | None = None
    pointing_accuracy_ci95: Interval | None = None
    entropy_bits: float | None = None
    entropy_bits_ci95: Interval | None = None
    static_share: float | None = None
    static_share_ci95: Interval | None = None
    centre_mass_in_gaze: float | None = None
    centre_pointing_accuracy: float | None = None
    centre_entropy_bits: float | None = None
    mass_over_centre_ci95: Interval | None = None
    pointing_over_centre_ci95: Interval | None = None
    frames: int = 0
    true_boxes: int = 0
    layer: int = -1
    layers: int | None = None
    heads: tuple[int, ...] = ()
    by_demonstration: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class AttentionPanel:
    """One held-out frame and where each model looks: maps (grid, grid) by the model's title.

    image: (S, S, 3) uint8 as the model gets it, both cameras in one picture. box: the gaze region in it, in
    px, or None.
    """

    image: NDArray[np.uint8]
    box: tuple[float, float, float, float] | None
    caption: str
    maps: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Reconstruction:
    """A reconstruction target, the same after the latents (which bounds what a model can do), and what a model
    made of noise; each (H, W, 3) uint8."""

    title: str
    truth: NDArray[np.uint8]
    encoded: NDArray[np.uint8]
    sample: NDArray[np.uint8]


@dataclass(frozen=True)
class Video:
    """A failed subtask. `data`: an mp4 file."""

    caption: str
    data: bytes


@dataclass(frozen=True)
class TaskScore:
    """How often a task was attempted in the chains, and how often done."""

    attempted: int
    succeeded: int


@dataclass(frozen=True)
class RunReport:
    """One arm with one seed. What was not measured is None.

    `results`: tasks done in a row (0..5) per sequence, in the sequences' order. `open_loop_error`: mean
    absolute error of predicted actions on the validation split, in action units (-1..1). `held_out_loss`: the
    action loss on the same `held_out_frames` frames, nats a token; curves of held-out losses are of these frames too.
    `slices`: training attempts that did steps. `device_seconds`: what all attempts took, by their workers' monotonic
    clocks; those that were killed count up to their last sign of life. `useful_seconds`: device time whose steps are in
    the final weights. `title`: what people read for the arm's name; the name itself where empty. `curves`: what else
    was measured along the way, such as validation. `steps_per_epoch`: steps in which every training sample is drawn
    once on average. No statement on the method is made of what is not `trained`.
    """

    arm: str
    seed: int
    train_steps: int | None
    results: tuple[int, ...] | None = None
    open_loop_error: float | None = None
    held_out_loss: float | None = None
    held_out_frames: int | None = None
    losses: tuple[LossPoint, ...] = ()
    slices: int | None = 0
    device_seconds: float | None = None
    useful_seconds: float | None = None
    attention: AttentionScores | None = None
    title: str = ""
    curves: tuple[LossPoint, ...] = ()
    attempts: tuple[Slice, ...] = ()
    steps_per_epoch: float | None = None
    tasks: Mapping[str, TaskScore] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether it is an arm; a policy that is only judged has no steps."""
        return self.train_steps is not None


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
class DataSource:
    """What demonstrations were used for one purpose (training, validation, pretraining).

    dataset: the folder's name. scenes: demonstrations by scene, empty where not recorded. renderer: what drew the
    frames, None where nobody knows. not_held_out: of a validation, demonstrations whose frames were trained on too.
    """

    purpose: str
    dataset: str
    demonstrations: int
    scenes: Mapping[str, int] = field(default_factory=dict)
    renderer: str | None = None
    not_held_out: int = 0

    @property
    def told(self) -> str:
        count = f"{self.demonstrations} demonstration{'s' if self.demonstrations != 1 else ''}"
        scenes = ", ".join(f"{count} in {scene}" for scene, count in sorted(self.scenes.items()))
        parts = [f"{self.dataset}: {count}", f"drawn by {self.renderer or 'unknown'}"]
        told = ", ".join([parts[0], *([f"scenes: {scenes}"] if scenes else []), parts[1]])
        if not self.not_held_out:
            return told
        return (
            f"{told}; frames of {self.not_held_out} of them were trained on too: figures of validation are not of"
            " held-out data"
        )


@dataclass(frozen=True)
class FinalWeights:
    """What a run's training ended with. path: relative to the home."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Environment:
    """How to get the same figures again. `data_digests`: SHA-256 by what it is of; `precision`: by kind of job;
    `final_weights`: by run; `mixed`: a sentence for each job whose steps were computed on machines, or by versions,
    that differ."""

    command: str = ""
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    threads: str = ""
    precision: str = ""
    simulator: str = ""
    data_digests: Mapping[str, str] = field(default_factory=dict)
    final_weights: Mapping[str, FinalWeights] = field(default_factory=dict)
    mixed: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportData:
    """Everything in the report of one ablation.

    `runs` in display order: arms appear in the order of their first run. `closed_loop_reason` says why there
    are no success rates, where there are none; `closed_loop_warning` what may have lowered them. `gaze` (figures
    by difficulty: `simple`, `complex`, `absent`, `unlabelled`), `gaze_regions` and `gaze_examples` are of the
    demonstrations of training and validation, and of a pretraining on the same dataset; `other_gaze` is of a dataset
    that the pretraining has to itself. `random_results`: the same sequences
    driven by random actions. `state` of the ablation and number of `jobs` by state as `status` shows them;
    `failures`: a sentence for each failed job. `created_at`: when the figures were gathered, Unix seconds.
    `videos_reason`: why there are no films, where there are none.
    """

    ablation: str
    runs: tuple[RunReport, ...]
    ablation_id: str = ""
    created_at: float | None = None
    state: str = ""
    jobs: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    closed_loop_reason: str | None = None
    closed_loop_warning: str | None = None
    random_results: tuple[int, ...] | None = None
    gaze: Mapping[str, GazeScores] | None = None
    gaze_regions: GazeRegions | None = None
    other_gaze: OtherGaze | None = None
    data: tuple[DataSource, ...] = ()
    gaze_detector: str = ""
    gaze_examples: tuple[GazeExample, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    ledger_by_kind: Mapping[str, Ledger] = field(default_factory=dict)
    attention_panels: tuple[AttentionPanel, ...] = ()
    reconstructions: tuple[Reconstruction, ...] = ()
    videos: tuple[Video, ...] = ()
    videos_reason: str | None = None
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
