"""What describes a model that a job has trained."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.spec import DetectorSpec
from models.spec import ModelSpec
from policies.registry import AUTO, need, need_precision
from settings.shown import shown


@dataclass(frozen=True)
class ReconVLAWeights:
    """weights: file of a job whose parameters have this `model`. gaze: the detector that finds the region for a model
    that is shown it."""

    model: ModelSpec
    weights: str
    precision: str = AUTO
    batch: int = 8
    gaze: DetectorSpec | None = None
    official_compat: bool = False

    def __post_init__(self) -> None:
        need_precision(self.precision)
        need(self.batch > 0, "batch", f"must be positive, got {shown(self.batch)}")
