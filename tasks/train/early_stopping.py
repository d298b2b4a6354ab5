"""Whether more training is still worth its time: a pure function of the evaluation points so far.

Off by default. A run ends early when the gain of its last `window` points over the best before them is, with
its uncertainty, below `min_gain` (relative to that best): gain + z * error < min_gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: One-sided 95 % bound of a normal distribution.
Z = 1.645


@dataclass(frozen=True)
class EvaluationPoint:
    """Mean loss over held-out frames at a step, and the standard error of that mean."""

    step: int
    loss: float
    error: float


@dataclass(frozen=True)
class Decision:
    """gain: relative improvement of the last window; bound: what it is at most, with 95 % confidence."""

    stop: bool
    gain: float
    bound: float

    def sentence(self, step: int, min_gain: float) -> str:
        verdict = "stopped" if self.stop else "goes on"
        return f"{verdict} at step {step}: gain {self.gain:.2%} (at most {self.bound:.2%}), threshold {min_gain:.2%}"


def decide(points: Sequence[EvaluationPoint], window: int, min_gain: float) -> Decision | None:
    """None until there are more than `window` points."""
    if len(points) <= window:
        return None
    before = min(points[:-window], key=lambda point: point.loss)
    recent = min(points[-window:], key=lambda point: point.loss)
    scale = abs(before.loss) or 1.0
    gain = (before.loss - recent.loss) / scale
    bound = gain + Z * math.hypot(before.error, recent.error) / scale
    return Decision(bound < min_gain, gain, bound)
