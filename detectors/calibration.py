"""From a finder's score to the probability that its box is right.

A calibration is a monotone piecewise-linear function; `benchmarks/gaze_calibration.py` fits one to scored frames. Right
is an overlap of 0.5 with the true box.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.base import TRUSTED
from errors import CheckpointError, InvalidInput
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import is_there, read_text
from settings.shown import cut, shown

#: In the folder of a detector's weights: object name -> [[score, probability], ...], fitted to their scores.
FILE_NAME = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Points (score, probability) with rising scores and no falling probability, joined by straight lines."""

    knots: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))

    def __post_init__(self) -> None:
        values = np.array(self.knots)
        if values.ndim != 2 or len(values) < 2 or not (np.diff(values, axis=0) >= 0).all():
            raise InvalidInput(f"calibration knots must rise: {self.knots}")
        if values.min() < 0 or values.max() > 1:
            raise InvalidInput(f"calibration knots must lie in 0..1: {self.knots}")

    def __call__(self, score: float) -> float:
        scores, probabilities = zip(*self.knots, strict=True)
        return float(np.interp(score, scores, probabilities))


def read_calibrations(weights: Path) -> dict[str, Calibration]:
    """By object name, from the FILE_NAME in a folder of weights, or NAME.FILE_NAME beside NAME.pth; empty where there
    is none.

    Raises CheckpointError naming the file, and the object where one of them is at fault.
    """
    file = weights / FILE_NAME if weights.is_dir() else weights.with_name(f"{weights.stem}.{FILE_NAME}")
    if not is_there(file):
        return {}
    try:
        plain = parse_json(read_text(file))
    except (OSError, ValueError) as error:
        need_fact(error)
        raise CheckpointError(f"{file} cannot be read: {error}") from None
    if not isinstance(plain, dict):
        raise CheckpointError(
            f"{file} must map objects to lists of [score, probability], not be {shown(plain, 40)}"
        )
    found = {}
    for name, knots in plain.items():
        try:
            found[name] = Calibration(
                tuple((float(score), float(probability)) for score, probability in knots)
            )
        except (TypeError, ValueError, OverflowError, InvalidInput):
            raise CheckpointError(
                f"{file}, {cut(name)}: two or more [score, probability] in 0..1 that rise are needed, not "
                f"{shown(knots, 60)}"
            ) from None
    return found


def by_threshold(threshold: float) -> Calibration:
    """Without fitted points: even odds at the score from which the finder itself counts a box as found."""
    if threshold <= 0 or threshold >= 1:
        return Calibration(
            ((0.0, TRUSTED if threshold <= 0 else 0.0), (1.0, 1.0 if threshold < 1 else TRUSTED))
        )
    return Calibration(((0.0, 0.0), (threshold, TRUSTED), (1.0, 1.0)))
