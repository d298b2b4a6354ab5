"""What is said of jobs in the end, a frozen dataclass for each kind: what reports are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from settings.json_values import JsonObject
from settings.typed_json import Items, Real, Whole
from tasks.kind import JobResult, Upgrade

Interval = Items[Real]  # low, high
Counts = Mapping[str, Whole]


@dataclass(frozen=True, kw_only=True)
class IngestResult(JobResult):
    """expert_missed: why tries of the expert came to nothing. scenes_seen: of the demonstrations whose dataset does not
    say its scene, how many show which by their pictures (`calvin.scenes`); None in results of earlier versions.
    """

    demonstrations: Whole
    expert_missed: Items[str]
    scenes_seen: Counts | None = None

    def of_the_way(self) -> frozenset[str]:
        return frozenset({"expert_missed", *(() if self.scenes_seen is not None else ("scenes_seen",))})


@dataclass(frozen=True, kw_only=True)
class LevelFigures:
    """See `detectors.scoring.summarise`."""

    frames: Whole
    detected: Whole
    rate: Real | None
    mean_iou: Real | None
    trusted_right: Whole | None
    outcomes: Counts


@dataclass(frozen=True, kw_only=True)
class ObjectFigures:
    """See `detectors.scoring.summarise_objects`. measured, trusted_wrong: None in results of earlier versions."""

    frames: Whole
    visible: Whole
    detected: Whole
    rate: Real | None
    mean_iou: Real | None
    measured: Whole | None
    trusted_right: Whole | None
    trusted_wrong: Whole | None
    false_targets: Whole
    false_rate: Real | None
    guesses: Whole


@dataclass(frozen=True, kw_only=True)
class ByTask:
    """Of demonstrations whose instruction is not understood, with the target of their task."""

    demonstrations: Whole
    frames: Whole


def _earlier_gaze(values: JsonObject) -> JsonObject:
    """Earlier versions counted less of each object, and nothing of what is by task."""
    levels, objects = values.get("figures"), values.get("objects")
    uncounted = {
        "mean_iou": None,
        "measured": None,
        "trusted_right": None,
        "trusted_wrong": None,
        "rate": None,
        "false_rate": None,
    }
    return {
        "by_task": {"demonstrations": 0, "frames": 0},
        "precision": None,
        **values,
        "figures": {
            name: {"trusted_right": None, "mean_iou": None, "rate": None, **level}
            for name, level in (levels if isinstance(levels, Mapping) else {}).items()
        },
        "objects": {
            name: {**uncounted, **figures}
            for name, figures in (objects if isinstance(objects, Mapping) else {}).items()
        },
    }


@dataclass(frozen=True, kw_only=True)
class GazeResult(JobResult):
    """See `tasks.gaze.run.summary_of`. iou_sum: by difficulty, the sum of overlaps and the frames that have one.
    precision: of the products of a detector that has weights."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_earlier_gaze,)

    frames: Whole
    trusted: Whole
    figures: Mapping[str, LevelFigures]
    objects: Mapping[str, ObjectFigures]
    sources: Counts
    by_task: ByTask
    iou_sum: Mapping[str, Items[Real]]
    precision: str | None


@dataclass(frozen=True, kw_only=True)
class IndexResult(JobResult):
    """Items, those with a region, and what became of those without a trusted one."""

    items: Whole
    with_target: Whole
    demonstrations: Whole
    weighed_down: Whole
    dropped: Whole


@dataclass(frozen=True, kw_only=True)
class TrainResult(JobResult):
    """overflowed_steps: left out as their gradients overflowed in fp16; None where nothing is scaled."""

    steps: Whole
    overflowed_steps: Whole | None = None


def _earlier_open_loop(values: JsonObject) -> JsonObject:
    return {
        "action_loss": None,
        "outside_tokens": None,
        "answer_tokens": None,
        "gripper_accuracy": None,
        **values,
    }


@dataclass(frozen=True, kw_only=True)
class OpenLoopResult(JobResult):
    """Mean absolute error (units of -1..1), share of right gripper commands, action loss (nats a token); tokens of
    answers, and those of them that are no actions. None: earlier versions did not measure it."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_earlier_open_loop,)

    mode: Literal["open_loop"]
    frames: Whole
    mean_absolute_error: Real
    gripper_accuracy: Real | None
    outside_tokens: Whole | None
    action_loss: Real | None
    answer_tokens: Whole | None

    @classmethod
    def reads(cls, values: JsonObject) -> bool:
        return values.get("mode") == "open_loop"


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """Of one task."""

    attempted: Whole
    succeeded: Whole


@dataclass(frozen=True, kw_only=True)
class SequenceResult:
    """One chain of five tasks. done: how many in a row. steps: of the simulator. actions: digest of all of them. tasks:
    None in results of earlier versions."""

    sequence: Whole
    done: Whole
    steps: Whole
    tasks: Items[str] | None
    actions: str


def _earlier_closed_loop(values: JsonObject) -> JsonObject:
    entries = values.get("results")
    absent: dict[str, object] = {
        "simulator_description": None,
        "counts": {},
        "policy_batch": None,
        "tasks": {},
    }
    if isinstance(entries, list):
        entries = [{"tasks": None, "steps": 0, "actions": "", **entry} for entry in entries]
    return {**absent, **values, "results": entries}


@dataclass(frozen=True, kw_only=True)
class ClosedLoopResult(JobResult):
    """success: share of chains with at least 1..5 tasks in a row; avg_len: tasks in a row, on average.

    simulator_description: None where the last attempt had no sequence left to do. counts: how often something happened
    that people should know of.
    """

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_earlier_closed_loop,)

    mode: Literal["closed_loop"]
    results: Items[SequenceResult]
    scene: str
    simulator: str
    simulator_description: Mapping[str, object] | None
    policy_batch: Whole | None
    counts: Counts
    success: Items[Real]
    avg_len: Real
    tasks: Mapping[str, Attempted]

    def of_the_way(self) -> frozenset[str]:
        return frozenset({"counts", *(() if self.simulator_description else ("simulator_description",))})

    @classmethod
    def reads(cls, values: JsonObject) -> bool:
        return values.get("mode") == "closed_loop"


_NOT_MEASURED = (
    "mass_in_gaze", "mass_in_gaze_ci95", "pointing_accuracy", "pointing_accuracy_ci95", "entropy_bits",
    "entropy_bits_ci95", "static_share", "static_share_ci95", "centre_mass_in_gaze", "centre_pointing_accuracy",
    "centre_entropy_bits", "mass_over_centre_ci95", "pointing_over_centre_ci95", "layers",
)  # fmt: skip


def _earlier_attention(values: JsonObject) -> JsonObject:
    counted = {"demonstrations": 0, "true_boxes": 0, "layer": -1, "heads": [], "by_demonstration": {}}
    return {**dict.fromkeys(_NOT_MEASURED), **counted, **values}


@dataclass(frozen=True, kw_only=True)
class AttentionResult(JobResult):
    """See `tasks.probes.attention_scores.figures_of`; intervals are 95 %. None: no frame to look at, one demonstration
    only, or not measured by an earlier version."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_earlier_attention,)

    frames: Whole
    demonstrations: Whole
    true_boxes: Whole
    mass_in_gaze: Real | None
    mass_in_gaze_ci95: Interval | None
    pointing_accuracy: Real | None
    pointing_accuracy_ci95: Interval | None
    entropy_bits: Real | None
    entropy_bits_ci95: Interval | None
    static_share: Real | None
    static_share_ci95: Interval | None
    centre_mass_in_gaze: Real | None
    centre_pointing_accuracy: Real | None
    centre_entropy_bits: Real | None
    mass_over_centre_ci95: Interval | None
    pointing_over_centre_ci95: Interval | None
    by_demonstration: Mapping[str, Items[Real]]
    layer: Whole
    layers: Whole | None
    heads: Items[Whole]


def _earlier_reconstructions(values: JsonObject) -> JsonObject:
    return {"psnr_db": None, "psnr_encoded_db": None, "psnr_mean_colour_db": None, **values}


@dataclass(frozen=True, kw_only=True)
class ReconstructResult(JobResult):
    """Peak signal-to-noise ratios in dB, see `tasks.probes.reconstruct.figures_of`; None where no frame has a
    target."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_earlier_reconstructions,)

    frames: Whole
    psnr_db: Real | None
    psnr_encoded_db: Real | None
    psnr_mean_colour_db: Real | None


@dataclass(frozen=True, kw_only=True)
class ReportResult(JobResult):
    """A report is its artifacts."""
