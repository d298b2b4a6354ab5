"""Attention figures of a run, and of an arm: means over its seeds, with intervals over demonstrations and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from statistics import fmean

import numpy as np

from reports.arm_intervals import FEWEST_CROSSED, crossed_intervals, t_intervals
from reports.grouped import grouped_share_interval
from reports.methods import Interval

#: Figures that are shares, with the name of their interval, and the centre prior's that is taken off.
_SHARES = (
    ("mass_in_gaze", "mass_in_gaze_ci95", None),
    ("pointing_accuracy", "pointing_accuracy_ci95", None),
    ("static_share", "static_share_ci95", None),
    ("mass_in_gaze", "mass_over_centre_ci95", "centre_mass_in_gaze"),
    ("pointing_accuracy", "pointing_over_centre_ci95", "centre_pointing_accuracy"),
)


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


def over_seeds(scores: Sequence[AttentionScores]) -> AttentionScores | None:
    """Mean of each figure that all seeds have; those of a single seed as they are; None of none.

    Intervals need every seed's means by demonstration, over the same demonstrations, and are None without.
    """
    if len(scores) < 2:
        return scores[0] if scores else None
    entropy = _mean([one.entropy_bits for one in scores])
    return replace(
        scores[0],
        mass_in_gaze=fmean(one.mass_in_gaze for one in scores),
        pointing_accuracy=fmean(one.pointing_accuracy for one in scores),
        entropy_bits=entropy,
        static_share=_mean([one.static_share for one in scores]),
        centre_mass_in_gaze=_mean([one.centre_mass_in_gaze for one in scores]),
        centre_pointing_accuracy=_mean([one.centre_pointing_accuracy for one in scores]),
        centre_entropy_bits=_mean([one.centre_entropy_bits for one in scores]),
        mass_in_gaze_ci95=_interval(scores, "mass_in_gaze"),
        pointing_accuracy_ci95=_interval(scores, "pointing_accuracy"),
        # The scale of the interval bends least in its middle.
        entropy_bits_ci95=_interval(scores, "entropy_bits", most=2 * entropy) if entropy else None,
        static_share_ci95=_interval(scores, "static_share"),
        mass_over_centre_ci95=_interval(scores, "mass_in_gaze", "centre_mass_in_gaze"),
        pointing_over_centre_ci95=_interval(scores, "pointing_accuracy", "centre_pointing_accuracy"),
        by_demonstration={},
    )


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


def _mean(values: Sequence[float | None]) -> float | None:
    """None unless every seed has one."""
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def over_demonstrations(table: Mapping[str, Sequence[float]]) -> dict[str, Interval | None]:
    """95 % intervals of one model's shares and of their differences to the centre prior, over other demonstrations
    (`reports.grouped`); table: `by_demonstration`. By the name of the interval, as far as the table has the figure."""
    frames = [int(count) for count in table.get("frames", ())]
    found: dict[str, Interval | None] = {}
    for name, interval, minus in _SHARES:
        if not frames or name not in table or (minus and minus not in table):
            continue
        values = np.array(table[name], dtype=np.float64)
        if minus:  # from -1..1 to a share
            values = (values - np.array(table[minus]) + 1) / 2
        ends = grouped_share_interval((values * frames).tolist(), frames)
        found[interval] = (2 * ends[0] - 1, 2 * ends[1] - 1) if minus and ends is not None else ends
    return found


def with_intervals(scores: AttentionScores) -> AttentionScores:
    """Of one model, with the intervals of its shares over demonstrations as far as these are recorded."""
    found = over_demonstrations(scores.by_demonstration)
    return replace(
        scores,
        mass_in_gaze_ci95=found.get("mass_in_gaze_ci95", scores.mass_in_gaze_ci95),
        pointing_accuracy_ci95=found.get("pointing_accuracy_ci95", scores.pointing_accuracy_ci95),
        static_share_ci95=found.get("static_share_ci95", scores.static_share_ci95),
        mass_over_centre_ci95=found.get("mass_over_centre_ci95", scores.mass_over_centre_ci95),
        pointing_over_centre_ci95=found.get("pointing_over_centre_ci95", scores.pointing_over_centre_ci95),
    )


def _interval(
    scores: Sequence[AttentionScores], name: str, minus: str | None = None, most: float = 1.0
) -> Interval | None:
    """95 % interval of a method's mean over frames, as success has it: with few seeds over these, on the same
    demonstrations, from `FEWEST_CROSSED` on over demonstrations too; the figure is from 0 to `most`."""
    tables = [one.by_demonstration for one in scores]
    wanted = {"demonstration", "frames", name} | ({minus} if minus else set())
    if any(not wanted <= set(table) for table in tables):
        return None
    if any(table["demonstration"] != tables[0]["demonstration"] or table["frames"] != tables[0]["frames"]
           for table in tables) or len(tables[0]["frames"]) < 2:  # fmt: skip
        return None
    frames = np.array(tables[0]["frames"], dtype=np.float64)
    values = np.array([table[name] for table in tables], dtype=np.float64)  # (seeds, demonstrations)
    least = 0.0
    if minus:
        values, least, most = values - np.array([table[minus] for table in tables]), -most, 2 * most
    shares = frames / frames.sum()
    if len(scores) < FEWEST_CROSSED:
        ends = t_intervals(values @ shares - least, most)
    else:
        whole = float((values @ shares).mean())
        # Residuals of a ratio, so that a demonstration counts as its frames do.
        ends = crossed_intervals(whole - least + len(shares) * shares * (values - whole), most)
    low, high = (float(end) + least for end in ends)
    return (low, high) if isfinite(low) else None
