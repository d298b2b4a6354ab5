"""Fits what `detectors/fitted.py` and `calibration.json` beside weights hold: isotonic regression (Zadrozny and Elkan
2002) of whether a box is right on its score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from detectors.calibration import Calibration
from errors import InvalidInput


def fit_calibration(scores: Sequence[float], right: Sequence[bool], knots: int = 8) -> Calibration:
    """Isotonic regression, kept at `knots` points or a few more, between a prior of one right and one wrong box.

    The prior keeps few frames from claiming certainty. Raises InvalidInput when there is no score.
    """
    if not len(scores) or len(scores) != len(right):
        raise InvalidInput(f"calibration needs a verdict for each of at least one score, not {len(scores)}")
    order = np.argsort(scores, kind="stable")
    ordered = np.asarray(scores, dtype=float)[order]
    verdicts = np.asarray(right, dtype=float)[order]
    x = np.concatenate([[0.0], ordered, [1.0]])
    y = np.concatenate([[0.0], verdicts, [1.0]])
    fitted = isotonic_regression(y).x
    # Both ends of what was seen are kept: beyond them nothing is known, and the line leads to certainty or to none.
    ends = [0, 1, len(x) - 2, len(x) - 1]
    places = np.unique(np.concatenate([ends, np.linspace(0, len(x) - 1, max(2, knots)).round()]).astype(int))
    points: dict[float, float] = {}
    for place in places:
        points[round(float(x[place]), 3)] = round(float(fitted[place]), 3)
    return Calibration(tuple(sorted(points.items())))
