"""Attention figures of an arm: means over its seeds, with intervals over seeds and demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.data import AttentionScores, Interval

#: Figures that have an interval of their own: name, and what is subtracted from it frame by frame.
_INTERVALS = {
    "mass_in_gaze_ci95": ("mass_in_gaze", None),
    "pointing_accuracy_ci95": ("pointing_accuracy", None),
    "entropy_bits_ci95": ("entropy_bits", None),
    "static_share_ci95": ("static_share", None),
    "mass_over_centre_ci95": ("mass_in_gaze", "centre_mass_in_gaze"),
    "pointing_over_centre_ci95": ("pointing_accuracy", "centre_pointing_accuracy"),
}
_MEANS = (
    "mass_in_gaze",
    "pointing_accuracy",
    "entropy_bits",
    "static_share",
    "centre_mass_in_gaze",
    "centre_pointing_accuracy",
    "centre_entropy_bits",
)
_DRAWS = 2000
_SEED = 20_25


def over_seeds(scores: Sequence[AttentionScores]) -> AttentionScores | None:
    """Mean of each figure that all seeds have; those of a single seed as they are; None of none.

    Intervals need every seed's means by demonstration, over the same demonstrations, and are None without.
    """
    if len(scores) < 2:
        return scores[0] if scores else None
    figures: dict[str, Any] = {name: _interval(scores, *of) for name, of in _INTERVALS.items()}
    for name in _MEANS:
        values = [getattr(one, name) for one in scores]
        figures[name] = None if None in values else fmean(values)
    return replace(scores[0], **figures, by_demonstration={})


def attention_note(scores: AttentionScores) -> str:
    """Which attention the figures and maps are of: `Layer 1 of 3, counted from 0, mean over heads 0, 3`."""
    last = scores.layer == -1 or (scores.layers is not None and scores.layer == scores.layers - 1)
    if last:
        layer = f"The last of {scores.layers} layers" if scores.layers else "The last layer"
    else:
        number = scores.layer if scores.layer >= 0 or scores.layers is None else scores.layer + scores.layers
        layer = f"Layer {number} of {scores.layers}, counted from 0" if scores.layers else f"Layer {number}"
    few = scores.heads
    heads = f"head{'s' if len(few) > 1 else ''} {', '.join(map(str, few))}" if few else "all heads"
    return f"{layer}, mean over {heads} and the action tokens"


def _interval(scores: Sequence[AttentionScores], name: str, minus: str | None) -> Interval | None:
    """95 % percentile bootstrap of the mean over frames, seeds and whole demonstrations drawn anew (Owen 2007)."""
    tables = [one.by_demonstration for one in scores]
    wanted = {"demonstration", "frames", name} | ({minus} if minus else set())
    if any(not wanted <= set(table) for table in tables):
        return None
    if any(table["demonstration"] != tables[0]["demonstration"] or table["frames"] != tables[0]["frames"]
           for table in tables) or len(tables[0]["frames"]) < 2:  # fmt: skip
        return None
    frames = np.array(tables[0]["frames"], dtype=np.float64)
    values = np.array([table[name] for table in tables], dtype=np.float64)  # (seeds, demonstrations)
    if minus:
        values = values - np.array([table[minus] for table in tables])
    return _two_way(values, frames)


def _two_way(values: NDArray[np.float64], frames: NDArray[np.float64]) -> Interval:
    random = np.random.default_rng(_SEED)
    seeds, demonstrations = values.shape
    means = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        of_seeds = values[random.integers(seeds, size=seeds)].mean(axis=0)
        drawn = random.integers(demonstrations, size=demonstrations)
        means[draw] = (of_seeds[drawn] * frames[drawn]).sum() / frames[drawn].sum()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
