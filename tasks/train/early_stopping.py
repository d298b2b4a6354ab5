"""Whether more training is still worth its time: pure functions of what was measured on held-out frames so far.

Off by default. Measurements count in windows. At the end of each the mean loss of the last is compared with that of the
window 1, 2, 4, ... before it, and the run ends where it is surely not `min_gain` lower for each window between, as a
share: a plateau that is too short to be told from noise is told once it is longer. Two things make the error. Other
demonstrations would have shown another gain; frames of one are alike and most of a loss is of which it is, so each is
compared with itself, and the unit is the demonstration (a ratio of two means, Cochran 1977, section 2.11). And losses
of all demonstrations move together from one measurement to the next: by what is left of a straight line through their
mean. Degrees of freedom are Satterthwaite's (1946), and every comparison that a run may make has its part of the error
(Bonferroni): one whose windows all gain `min_gain` ends early in at most 5 % of cases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

#: How often a run may end early whose windows all gain what is worth them.
ERROR = 0.05

#: Names of the points that hold the loss of each demonstration end with its number in the split.
OF_DEMONSTRATION = "validation_by_demonstration/"

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


def decide(points: Sequence[EvaluationPoint], window: int, min_gain: float, planned: int) -> Decision | None:
    """planned: the run's `comparisons`. None but at the end of a window, from the second on, of two demonstrations and
    more."""
    windows, rest = divmod(len(points), window)
    if rest or len(points[-1].of_demonstrations) < 2:
        return None
    names = sorted(points[-1].of_demonstrations)
    losses = np.array([[point.of_demonstrations[name] for name in names] for point in points])
    found = [
        _over(losses[-(span + 1) * window :], window, span, ERROR / planned)
        for span in _spans(windows, window)
    ]
    if not found:
        return None
    gain, bound, span = min(found, key=lambda one: one[1])
    latest = 1 - losses[-window:].mean() / losses[-2 * window : -window].mean()
    return Decision(bool(bound < min_gain and latest < min_gain), gain, bound, span)


def _spans(windows: int, window: int) -> list[int]:
    """Over how many windows the last of so many is compared: a line needs three measurements."""
    spans = [2**power for power in range(windows.bit_length()) if 2**power < windows]
    return [span for span in spans if (span + 1) * window > 2]


def _over(losses: NDArray[np.float64], window: int, span: int, error: float) -> tuple[float, float, int]:
    """Gain a window, what it is at most with this error, and the span; losses: of span + 1 windows, (measurements,
    demonstrations)."""
    measurements, count = losses.shape
    before, last = losses[:window].mean(axis=0), losses[-window:].mean(axis=0)
    mean = before.mean()
    left = last.mean() / mean
    of_demonstrations = ((last - left * before) ** 2).sum() / (count - 1) / count / mean**2
    steps, means = np.arange(measurements) - (measurements - 1) / 2, losses.mean(axis=1)
    rest = means - means.mean() - steps * (steps @ means) / (steps @ steps)
    of_time = (rest**2).sum() / (measurements - 2) * 2 / window / mean**2
    variance = of_demonstrations + of_time
    parts = of_demonstrations**2 / (count - 1) + of_time**2 / (measurements - 2)
    bound = 1 - left
    if parts > 0:
        bound -= float(special.stdtrit(variance**2 / parts, error)) * math.sqrt(variance)
    return float(1 - left ** (1 / span)), float(1 - max(0.0, 1 - bound) ** (1 / span)), span


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
