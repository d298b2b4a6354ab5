"""Detectors by name, imported on use: `colour` needs no torch, `grounding_dino` does."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, cast

from detectors.base import Detector
from errors import ConfigError

DETECTORS: dict[str, str] = {
    "colour": "detectors.colour:ColourDetector",
    "grounding_dino": "detectors.grounding_dino:GroundingDinoDetector",
    "oracle": "detectors.oracle:OracleDetector",
}


def make_detector(name: str, **options: Any) -> Detector:
    """Construct the detector of this name. Raises ConfigError for an unknown name or option."""
    if name not in DETECTORS:
        raise ConfigError(f"unknown detector {name!r}: known are {', '.join(sorted(DETECTORS))}")
    module_name, class_name = DETECTORS[name].split(":")
    factory = getattr(import_module(module_name), class_name)
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise ConfigError(f"detector {name!r} with options {sorted(options)}: {error}") from None
    return cast(Detector, factory(**options))
