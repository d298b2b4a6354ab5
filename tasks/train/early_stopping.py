"""Whether more training is still worth its time: pure functions of what was measured on held-out frames so far.

Off by default. Measurements count in windows. At the end of each the mean loss of the last is compared with that of the
window 1, 2, 4, ... before it, and the run ends where it is surely not `min_gain` lower for each window between, as a
share: a plateau that is too short to be told from noise is told once it is longer. Two things make the error. Other
demonstrations would have shown another gain; frames of one are alike and most of a loss is of which it is, so each is
compared with itself, and the unit is the demonstration (a ratio of two means, Cochran 1977, section 2.11). And losses
of all demonstrations move together from one measurement to the next: by what is left of a straight line through their
mean, of which more where what is left of one measurement is like that of the next (`inflation`). Degrees of freedom are
Satterthwaite's (1946), and every comparison that a run may make has its part of the error (Bonferroni).

So one whose windows all gain `min_gain` ends early in at most 5 % of cases where the noise of a measurement is
independent of that of the one before, or correlated with it by up to 0.3. Of noise that lasts longer the few
measurements of a run tell too little: with a correlation of 0.5 up to 6 % were ended in simulations and with 0.8 up to
15 % (`benchmarks/early_stopping.py`; docs/statistics.md has them all).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

#: How often a run may end early whose windows all gain what is worth them, where noise lasts no longer than is said.
ERROR = 0.05

#: Of a line through fewer measurements what is left says nothing of how long noise lasts, and of many more a curve of
#: falling losses is taken for noise.
_TOLD = 12

#: The highest correlation of neighbours that is reckoned with, so that no plateau counts as noise for ever.
_MOST_ALIKE = 0.9

#: One-sided 95 % bound of a normal distribution.
Z = 1.645


@dataclass(frozen=True)
class EvaluationPoint:
    """Mean loss over held-out frames at a step, and the standard error of that mean, as if frames were independent.

    of_demonstrations: the mean over each one's frames; empty in jobs that were planned before this was asked.
    """

    step: int
    loss: float
    error: float
    of_demonstrations: Mapping[int, float]


@dataclass(frozen=True)
class Decision:
    """gain: relative improvement a window, over so many windows; bound: what it is at most, with the confidence of one
    comparison."""

    stop: bool
    gain: float
    bound: float
    windows: int = 1

    def sentence(self, step: int, min_gain: float) -> str:
        verdict = "stopped" if self.stop else "goes on"
        over = "" if self.windows == 1 else f" a window over the last {self.windows}"
        gain = f"gain {self.gain:.2%}{over} (at most {self.bound:.2%})"
        return f"{verdict} at step {step}: {gain}, threshold {min_gain:.2%}"


def comparisons(steps: int, every_steps: int, window: int) -> int:
    """How many a run of so many steps may make before its last, which ends it anyway."""
    whole = (steps - 1) // every_steps // window
    return sum(len(_spans(windows, window)) for windows in range(2, whole + 1))


def why_never(points: Sequence[EvaluationPoint], planned: int) -> str | None:
    """Why a run that is over could not have been ended early; None where it could. planned: its `comparisons`."""
    if not planned:
        return "its steps have no two windows of measurements"
    if points and len(points[-1].of_demonstrations) < 2:
        return "the held-out frames are of one demonstration, which says nothing of others"
    return None


def decide(
    points: Sequence[EvaluationPoint],
    window: int,
    min_gain: float,
    planned: int,
    *,
    lasting_noise: bool = True,
) -> Decision | None:
    """planned: the run's `comparisons`; lasting_noise: False in jobs that were planned before it was reckoned with.

    None but at the end of a window, from the second on, of two demonstrations and more, and where the losses are no
    numbers to compare. A loss that was 0 cannot fall: that is a gain of 0, whatever came after.
    """
    if len(points) % window or len(points[-1].of_demonstrations) < 2:
        return None
    names = sorted(points[-1].of_demonstrations)
    losses = np.array([[point.of_demonstrations[name] for name in names] for point in points])
    return decide_of(losses, window, min_gain, planned, lasting_noise=lasting_noise)


def decide_of(
    losses: NDArray[np.float64], window: int, min_gain: float, planned: int, *, lasting_noise: bool = True
) -> Decision | None:
    """`decide` at the end of a window; losses: (measurements, demonstrations)."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = [
            _over(losses, window, span, ERROR / planned, lasting_noise)
            for span in _spans(len(losses) // window, window)
        ]
    if not found or not np.isfinite(found).all():
        return None
    gain, bound, span = min(found, key=lambda one: one[1])
    before, last = losses[-2 * window : -window].mean(), losses[-window:].mean()
    latest = 1 - last / before if before else 0.0
    return Decision(bool(bound < min_gain and latest < min_gain), gain, bound, span)


def _spans(windows: int, window: int) -> list[int]:
    """Over how many windows the last of so many is compared: a line needs three measurements."""
    spans = [2**power for power in range(windows.bit_length()) if 2**power < windows]
    return [span for span in spans if (span + 1) * window > 2]


def _over(
    losses: NDArray[np.float64], window: int, span: int, error: float, lasting_noise: bool
) -> tuple[float, float, int]:
    """Gain a window over the last so many, what it is at most with this error, and the span; losses: (measurements,
    demonstrations)."""
    compared = losses[-(span + 1) * window :]
    measurements, count = compared.shape
    mean = compared[:window].mean()
    if mean == 0:
        return 0.0, 0.0, span
    before, last = compared[:window].mean(axis=0) / mean, compared[-window:].mean(axis=0) / mean
    left = last.mean()
    of_demonstrations = ((last - left * before) ** 2).sum() / (count - 1) / count
    means = losses.mean(axis=1) / mean
    more = inflation(means[-max(measurements, _TOLD) :]) if lasting_noise else 1.0
    rest = _left_of_a_line(means[-measurements:])
    of_time = (rest**2).sum() / (measurements - 2) * 2 / window * more
    variance = of_demonstrations + of_time
    parts = of_demonstrations**2 / (count - 1) + of_time**2 / max(1.0, (measurements - 2) / more)
    bound = 1 - left
    if parts > 0:
        bound -= float(special.stdtrit(variance**2 / parts, error)) * math.sqrt(variance)
    return float(1 - left ** (1 / span)), float(1 - max(0.0, 1 - bound) ** (1 / span)), span


def inflation(means: NDArray[np.float64]) -> float:
    """By how much the variance of a mean of such measurements is more than of independent ones: (1 + r) / (1 - r).

    r: the correlation of what is left of neighbours beside a straight line, between 0 and `_MOST_ALIKE`, without the
    bias that the line brings (Kendall 1954; Marriott and Pope 1954); of four measurements and fewer the most.
    """
    count, rest = len(means), _left_of_a_line(means)
    square = rest @ rest
    if square == 0:
        return 1.0
    alike = (count * (rest[1:] @ rest[:-1]) / square + 2) / (count - 4) if count > 4 else _MOST_ALIKE
    alike = min(max(float(alike), 0.0), _MOST_ALIKE)
    return (1 + alike) / (1 - alike)


def _left_of_a_line(values: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    return np.asarray(values - values.mean() - steps * (steps @ values) / (steps @ steps))


def decide_as_before(points: Sequence[EvaluationPoint], window: int, min_gain: float) -> Decision | None:
    """The rule of jobs that were planned before demonstrations were told apart: the best of the last `window` points
    against the best before them, their errors added as if of other frames. None until there are more than `window`."""
    if len(points) <= window:
        return None
    before = min(points[:-window], key=lambda point: point.loss)
    recent = min(points[-window:], key=lambda point: point.loss)
    scale = abs(before.loss) or 1.0
    gain = (before.loss - recent.loss) / scale
    bound = gain + Z * math.hypot(before.error, recent.error) / scale
    return Decision(bound < min_gain, gain, bound)
