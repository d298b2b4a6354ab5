"""The sections of ReconVLA's report, in the order of its page."""

from __future__ import annotations

from experiments.reconvla.report.parts.attention import Attention
from experiments.reconvla.report.parts.gaze import Gaze, PretrainingGaze
from experiments.reconvla.report.parts.looks import Looks
from experiments.reconvla.report.parts.reconstructions import Reconstructions
from reports.parts.comparisons import Comparisons
from reports.parts.device_time import DeviceTime
from reports.parts.films import Films
from reports.parts.reproduction import Reproduction
from reports.parts.success import SuccessByTask, SuccessTable
from reports.parts.training import Curves, Epochs, TrainingTable
from reports.section import Section

#: Of the entries of report.json, as scripts have always had them.
ORDER = (
    "ablation", "ablation_id", "created_at", "state", "doing", "jobs", "interrupted_jobs", "failures", "findings",
    "baseline", "primary_measure", "arms", "comparisons", "adaptive", "held_out_comparisons", "random_policy",
    "closed_loop_reason", "closed_loop_warning", "videos", "videos_reason", "gaze", "gaze_pretraining", "data",
    "gaze_detector", "gaze_regions", "ledger", "ledger_by_kind", "runs", "environment",
)  # fmt: skip


def sections(
    films: Films,
    looks: Looks,
    reconstructions: Reconstructions,
    attention: Attention,
    gaze: Gaze,
    pretraining_gaze: PretrainingGaze,
    device_time: DeviceTime,
    reproduction: Reproduction,
) -> tuple[Section, ...]:
    """These parts, and those that show nothing but runs."""
    dataset = "" if pretraining_gaze.found is None else pretraining_gaze.found.dataset
    return (
        Section("success", "Success on task sequences", (SuccessTable(), SuccessByTask(), films)),
        Section("comparisons", "Comparisons", (Comparisons(), looks)),
        Section("training", "Training", (TrainingTable(), Curves(), Epochs(), reconstructions)),
        Section("attention", "Attention", (attention,)),
        Section("gaze", "Gaze regions", (gaze,)),
        Section("gaze-other", f"Gaze regions of the pretraining: {dataset}", (pretraining_gaze,)),
        Section("ledger", "Where the time went", (device_time,)),
        Section("again", "To get the same again", (reproduction,)),
    )
