"""Whether an arm needs another seed: a pure function of results that do not change, and of bounds that were set before.

An arm is looked at with the first k models of it and of the baseline, k from `FIRST_LOOK` on, and ends at the first
look that decides: better or worse where Welch's p is at or below that look's bound, within where the interval that the
looks allow lies inside the margin, undecided after the last. That interval is the one of the look's bound (a repeated
confidence interval, Jennison and Turnbull 2000, chapter 9): those of all looks and arms hold their differences together
with 95 %, so the last of them is that of the arm, however it ended. Scheduler, report and benchmark ask here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

from experiments.design.bounds import FIRST_LOOK
from experiments.design.measures import Measure
from reports.last_look import Verdict
from reports.level import ALPHA
from reports.methods import welch_tests

_SAID: dict[Verdict, str] = {
    "open": "open",
    "better": "better than the baseline",
    "worse": "worse than the baseline",
    "within": "within the margin",
    "undecided": "undecided",
}


@dataclass(frozen=True)
class Rules:
    """What was set before the first model was trained. baseline, arms: names; the arms are compared with the baseline.
    measure: by name; margin: in its unit. bounds: the p of each look, from FIRST_LOOK seeds on, the last at most."""

    baseline: str
    arms: tuple[str, ...]
    measure: str
    margin: float
    bounds: tuple[float, ...]

    @property
    def most(self) -> int:
        """Seeds of an arm at the last look."""
        return FIRST_LOOK + len(self.bounds) - 1


@dataclass(frozen=True)
class Look:
    """Arm minus baseline after `seeds` of each. interval and p_value are None where nothing varies."""

    seeds: int
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    bound: float


@dataclass(frozen=True)
class ArmDecision:
    """Looks at an arm up to the one that ended it, or so far."""

    arm: str
    verdict: Verdict
    looks: tuple[Look, ...]


@dataclass(frozen=True)
class Ends:
    """Of many comparisons that are planned alike, an array each: how it ended, and which look was its last (-1: none
    was possible yet); and by look the interval and p of each."""

    verdict: NDArray[np.str_]
    last: NDArray[np.int64]
    low: tuple[NDArray[np.float64], ...]
    high: tuple[NDArray[np.float64], ...]
    p_value: tuple[NDArray[np.float64], ...]


def ends(rules: Rules, baseline: NDArray[np.float64], arm: NDArray[np.float64]) -> Ends:
    """How comparisons of an arm with its baseline end; each (models, comparisons), in the order of seeds."""
    count = baseline.shape[1]
    verdict, last = np.full(count, "open", dtype="<U9"), np.full(count, -1)
    lows: list[NDArray[np.float64]] = []
    highs: list[NDArray[np.float64]] = []
    p_values: list[NDArray[np.float64]] = []
    for place, bound in enumerate(rules.bounds):
        seeds = FIRST_LOOK + place
        if min(len(baseline), len(arm)) < seeds:
            return Ends(verdict, last, tuple(lows), tuple(highs), tuple(p_values))
        a, b = baseline[:seeds], arm[:seeds]
        found, delta = welch_tests(a, b), b.mean(axis=0) - a.mean(axis=0)
        half = (found.high - found.low) / 2
        half *= special.stdtrit(found.degrees, bound / 2) / special.stdtrit(found.degrees, ALPHA / 2)
        low, high = delta - half, delta + half
        is_open = verdict == "open"
        last[is_open] = place
        different = is_open & (found.p_value <= bound)
        verdict[different] = np.where(delta[different] > 0, "better", "worse")
        verdict[is_open & ~different & (-rules.margin < low) & (high < rules.margin)] = "within"
        lows, highs, p_values = [*lows, low], [*highs, high], [*p_values, found.p_value]
    verdict[verdict == "open"] = "undecided"
    return Ends(verdict, last, tuple(lows), tuple(highs), tuple(p_values))


def decide(rules: Rules, models: Mapping[str, Sequence[float]]) -> tuple[ArmDecision, ...]:
    """Of each arm of `rules`; models: the measure of each model by arm, in the order of their seeds. Arms that have
    fewer than FIRST_LOOK are open."""
    baseline = models.get(rules.baseline, ())
    return tuple(_decide(rules, arm, baseline, models.get(arm, ())) for arm in rules.arms)


def _decide(rules: Rules, arm: str, baseline: Sequence[float], models: Sequence[float]) -> ArmDecision:
    a, b = (np.array(values, dtype=np.float64)[:, None] for values in (baseline, models))
    found = ends(rules, a, b)
    looks = []
    for place in range(int(found.last[0]) + 1):
        seeds = FIRST_LOOK + place
        delta = float(b[:seeds].mean() - a[:seeds].mean())
        p_value = float(found.p_value[place][0])
        interval = float(found.low[place][0]), float(found.high[place][0])
        is_told = isfinite(p_value)
        looks.append(
            Look(
                seeds,
                delta,
                interval if is_told else None,
                p_value if is_told else None,
                rules.bounds[place],
            )
        )
    return ArmDecision(arm, cast(Verdict, str(found.verdict[0])), tuple(looks))


def models_of(results: Mapping[tuple[str, int], Sequence[int]], measure: Measure) -> dict[str, list[float]]:
    """One number for each trained model by arm, in the order of seeds; results: by arm and seed."""
    found: dict[str, list[float]] = {}
    for (arm, _), of_model in sorted(results.items(), key=lambda item: item[0][1]):
        found.setdefault(arm, []).append(measure.of_model(of_model))
    return found


def sentence_of(decision: ArmDecision, measure: Measure) -> str:
    """For people: an arm at its last look."""
    look = decision.looks[-1]
    digits = 1 if measure.unit == "points" else 3
    found = (
        f"{decision.arm} after {look.seeds} seeds: {_SAID[decision.verdict]}, {look.difference:+.{digits}f}"
    )
    if look.interval is None or look.p_value is None:
        return f"{found} {measure.unit} in {measure.label}, where nothing varies: no look decides before something does"
    low, high = (f"{edge:.{digits}f}" for edge in look.interval)
    sign = "at or below" if look.p_value <= look.bound else "above"
    return (
        f"{found} {measure.unit} in {measure.label} ({low} to {high}; p {look.p_value:.2g}, {sign} "
        f"{look.bound:.2g})"
    )


def half_width(rules: Rules, sd: float) -> float:
    """Of the interval at the last look, where models scatter by `sd` in both arms: no margin below it is reached."""
    most, bound = rules.most, rules.bounds[-1]
    return float(-special.stdtrit(2 * most - 2, bound / 2) * sd * (2 / most) ** 0.5)
