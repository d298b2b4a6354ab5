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
from typing import Literal

from scipy import special

from experiments.design.bounds import FIRST_LOOK
from experiments.design.measures import Measure
from reports.methods import ALPHA, MethodDifference, welch

Verdict = Literal["open", "better", "worse", "within", "undecided"]

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


def decide(rules: Rules, models: Mapping[str, Sequence[float]]) -> tuple[ArmDecision, ...]:
    """Of each arm of `rules`; models: the measure of each model by arm, in the order of their seeds. Arms that have
    fewer than FIRST_LOOK are open."""
    baseline = models.get(rules.baseline, ())
    return tuple(_decide(rules, arm, baseline, models.get(arm, ())) for arm in rules.arms)


def _decide(rules: Rules, arm: str, baseline: Sequence[float], models: Sequence[float]) -> ArmDecision:
    looks: list[Look] = []
    for seeds, bound in enumerate(rules.bounds, start=FIRST_LOOK):
        if min(len(baseline), len(models)) < seeds:
            return ArmDecision(arm, "open", tuple(looks))
        found = welch(baseline[:seeds], models[:seeds])
        look = Look(seeds, found.delta, interval_at(found, bound), found.p_value, bound)
        looks.append(look)
        if look.p_value is not None and look.p_value <= bound:
            return ArmDecision(arm, "better" if look.difference > 0 else "worse", tuple(looks))
        if look.interval is not None and -rules.margin < look.interval[0] and look.interval[1] < rules.margin:
            return ArmDecision(arm, "within", tuple(looks))
    return ArmDecision(arm, "undecided", tuple(looks))


def interval_at(found: MethodDifference, alpha: float) -> tuple[float, float] | None:
    """The interval of a difference that goes with `alpha`; None where there is none."""
    if found.interval is None or found.degrees is None:
        return None
    low, high = found.interval
    half = (
        (high - low)
        / 2
        * special.stdtrit(found.degrees, alpha / 2)
        / special.stdtrit(found.degrees, ALPHA / 2)
    )
    return found.delta - half, found.delta + half


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
        return f"{found} {measure.unit} in {measure.label}, where nothing varies"
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
