"""Detectors by name, imported on use: `colour` needs no torch, `grounding_dino` does."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from detectors.base import Detector
from detectors.cache import FinderCache
from errors import ConfigError, EnvironmentLacks
from settings.code_source import reference_of
from settings.shown import shown
from settings.suggestions import did_you_mean

#: Finders, which the pipeline makes detectors of.
FINDERS: dict[str, str] = {
    "colour": "detectors.colour:ColourFinder",
    "grounding_dino": "detectors.grounding_dino.finder:GroundingDinoFinder",
    "groundingdino_py": "detectors.grounding_dino.py_package:GroundingDinoPyFinder",
}
#: Detectors that need no pipeline, as they know the answer.
DIRECT: dict[str, str] = {"oracle": "detectors.oracle:OracleDetector"}

DETECTORS: dict[str, str] = FINDERS | DIRECT

#: Finders with weights and thresholds.
LEARNED = frozenset({"grounding_dino", "groundingdino_py"})
#: Those that use a GPU where a worker has one.
ON_ACCELERATOR = frozenset({"grounding_dino"})


def check_detector(name: str) -> None:
    """Raises ConfigError unless there is a detector of this name, or it names a class of the user's own."""
    if name not in DETECTORS and reference_of(name) is None:
        ours = ", ".join(sorted(DETECTORS))
        raise ConfigError(
            f"unknown detector {shown(name)}: known are {ours}, and classes of yours as module:Class"
            + did_you_mean(name, DETECTORS)
        )


def is_direct(name: str) -> bool:
    """Whether it has no stages: one that knows the answer, or a class of the user's own."""
    return name in DIRECT or reference_of(name) is not None


def make_detector(
    name: str,
    stages: Sequence[str] | None = None,
    interval: int | None = None,
    cache: FinderCache | None = None,
    **options: Any,
) -> Detector:
    """Construct the detector of this name, or a class of the user's own (`module:Class@digest`), which has no options.

    `stages` (None: all) and `interval` go to the pipeline around a finder, `options` to the finder. Calibrations are
    those fitted to the finder, or those that lie beside its `weights`. Raises ConfigError for an unknown name, stage
    or option, CheckpointError for a damaged calibration.
    """
    own = reference_of(name)
    if own is not None:
        from detectors.own import OwnDetector

        if options or stages is not None or interval is not None:
            raise ConfigError(f"detector {own.label} has no options: what it is set to is in its source")
        return OwnDetector(own)
    check_detector(name)
    module_name, class_name = DETECTORS[name].split(":")
    factory = getattr(import_module(module_name), class_name)
    known = inspect.signature(factory).parameters
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(
            f"detector {shown(name)} has no option {' or '.join(unknown)}; its options: {', '.join(known) or 'none'}"
            + did_you_mean(unknown[0], known)
        )
    made = factory(**options)
    if name in DIRECT:
        detector: Detector = made
        return detector
    from detectors.calibration import read_calibrations
    from detectors.fitted import FITTED
    from detectors.pipeline import STAGES, GazePipeline

    calibrations = FITTED.get(name)
    if calibrations is None and options.get("weights"):
        calibrations = read_calibrations(Path(options["weights"]))  # a hub's name has none

    return GazePipeline(
        made,
        STAGES if stages is None else stages,
        calibrations,
        **({} if interval is None else {"interval": interval}),
        cache=cache,
    )


def check_planned(detector: Detector, version: str | None) -> None:
    """Raise EnvironmentLacks unless the detector is the one that a job was planned with; None: any will do."""
    if version is not None and detector.version != version:
        raise EnvironmentLacks(
            f"detector {detector.name} here is {shown(detector.version)}, the job was planned with {shown(version)}: "
            "use the same weights and version of Baton, or submit the ablation again"
        )
