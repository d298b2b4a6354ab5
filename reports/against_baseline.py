"""Each trained arm against the baseline: one primary measure with p, the others without; Holm's decision beside.

With one seed in both arms these are figures of two models on the same sequences, and nothing is said of methods. With
two seeds and more in both they are of the methods (`reports.methods`), over all seeds of each arm; with adaptive seeds
over those of the arm's last look, whose rules decide (`reports.last_look`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reports.last_look import NO_LOOK_YET, LastLook
from reports.looks import Seeds, error_of_looks, looks_before
from reports.methods import FEWEST_RELIABLE, NO_SPREAD, Interval, MethodDifference, holm_decisions, welch
from reports.metric import Metric
from reports.statistics import Comparison, compare, result_matrix

Results = Mapping[int, Sequence[int]]

#: Why two models of one seed have no interval.
ALL_ALIKE = "all sequences are alike"
#: Why methods have none whose models differ in no arm, also where they differ between arms.
EACH_ALIKE = "the seeds of each arm are alike"
#: Why measures that are not looked at have none with adaptive seeds.
BY_LOOKS = "seeds ended by looks"


@dataclass(frozen=True)
class Contrast:
    """Arm b minus arm a in one measure. interval: 95 %. p_value: of the primary measure alone. reason: why there is no
    interval; empty where there is one."""

    delta: float
    interval: Interval | None
    p_value: float | None
    reason: str = ""


@dataclass(frozen=True)
class WithFailed:
    """The primary measure if every seed that failed had got 0. seeds: with those of a and of b that failed."""

    seeds: Seeds
    contrast: Contrast


@dataclass(frozen=True)
class Looked:
    """Earlier looks at this pair, by the seeds of a and b that were judged then, and the chance that one of these or
    the present one calls equal methods different."""

    looks: tuple[Seeds, ...]
    error: float


@dataclass(frozen=True)
class ArmComparison:
    """Arm `b` against the baseline `a`.

    interval_of: what differences are of, None where the arms were not judged alike or one is not judged. contrasts: in
    the order of the metric's columns, `primary` the place of the primary one. holm: whether the primary difference is
    one together with those of the other arms; None without p, and where looks decide. weights: the same sequences and
    seeds, for JSON. failed: seeds of a and b that failed. missing: those that are not judged yet; cancelled: those that
    will not be. last_look: where
    seeds are adaptive.
    """

    a: str
    b: str
    seeds: Seeds
    sequences: int
    primary: int
    interval_of: Literal["weights", "method"] | None
    contrasts: tuple[Contrast, ...]
    weights: Comparison
    holm: bool | None = None
    failed: Seeds = (0, 0)
    with_failed: WithFailed | None = None
    missing: Seeds = (0, 0)
    last_look: LastLook | None = None
    looked: Looked | None = None
    cancelled: Seeds = (0, 0)

    @property
    def main(self) -> Contrast | None:
        """Of the primary measure; None where nothing was compared."""
        return self.contrasts[self.primary] if self.contrasts else None

    @property
    def is_difference(self) -> bool:
        """Whether it is one beside those of the other arms: by Holm's correction, or by the rules of the looks."""
        return bool(self.holm) if self.last_look is None else self.last_look.is_difference

    @property
    def is_reliable(self) -> bool:
        """Whether p holds also where the arms scatter unequally."""
        return self.interval_of == "weights" or min(self.seeds) >= FEWEST_RELIABLE


def compare_with_baseline(
    a: str,
    b: str,
    results_a: Results,
    results_b: Results,
    metric: Metric,
    primary: int,
    failed: Seeds = (0, 0),
    earlier: Sequence[Seeds] = (),
    last_look: LastLook | None = None,
    missing: Seeds = (0, 0),
    cancelled: Seeds = (0, 0),
) -> ArmComparison:
    """failed: seeds of each arm that have no results as they failed; missing: those that may get some; cancelled: those
    that were ended before. earlier: seeds
    of each that were judged when seeds were added. last_look: at the arm, where seeds are adaptive. Raises InvalidInput
    for results out of range."""
    weights = compare(a, b, dict(results_a), dict(results_b), metric.ceiling)
    if last_look is not None and last_look.seeds:
        results_a, results_b = (_first(results, last_look.seeds) for results in (results_a, results_b))
    seeds = len(results_a), len(results_b)
    nothing = ArmComparison(
        a,
        b,
        seeds,
        0,
        primary,
        None,
        (),
        weights,
        failed=failed,
        missing=missing,
        cancelled=cancelled,
        last_look=last_look,
    )
    if not min(seeds):
        return nothing
    of_a, of_b = (result_matrix(list(results.values()), metric.ceiling) for results in (results_a, results_b))
    if of_a.shape[1] != of_b.shape[1] or not of_a.size:
        return nothing
    numbers = [(_numbers(of_a, level), _numbers(of_b, level)) for level in (*metric.levels, None)]
    compared = replace(
        nothing,
        sequences=of_a.shape[1],
        with_failed=_with_failed(*numbers[primary], failed, last_look is None),
    )
    if last_look is not None:
        return replace(
            compared,
            interval_of="method",
            contrasts=tuple(
                _of_look(welch(*pair), place == primary, last_look) for place, pair in enumerate(numbers)
            ),
        )
    if seeds == (1, 1):
        return replace(compared, interval_of="weights", contrasts=_of_weights(weights, primary))
    looks = looks_before(earlier, seeds) if min(seeds) > 1 else ()
    return replace(
        compared,
        interval_of="method",
        contrasts=tuple(_of_method(welch(*pair), place == primary) for place, pair in enumerate(numbers)),
        looked=Looked(looks, error_of_looks((*looks, seeds))) if looks else None,
    )


def decided(comparisons: Sequence[ArmComparison]) -> tuple[ArmComparison, ...]:
    """With Holm's decisions over all these arms that have no looks."""
    p_values = [one.main.p_value if one.main and one.last_look is None else None for one in comparisons]
    found = holm_decisions(p_values)
    return tuple(replace(one, holm=holm) for one, holm in zip(comparisons, found, strict=True))


def _numbers(results: NDArray[np.int64], level: int | None) -> list[float]:
    """One for each trained model: its share of sequences with at least `level`, or the mean."""
    values = results if level is None else results >= level
    return [float(mean) for mean in values.mean(axis=1)]


def _of_method(found: MethodDifference, is_primary: bool) -> Contrast:
    reason = EACH_ALIKE if found.reason == NO_SPREAD else found.reason
    return Contrast(found.delta, found.interval, found.p_value if is_primary else None, reason)


def _of_look(found: MethodDifference, is_primary: bool, look: LastLook) -> Contrast:
    """The primary measure as the looks allow it. Others have no interval: one that is right for a fixed number of seeds
    is not where seeds ended by what they showed."""
    if not look.seeds or not is_primary:
        return Contrast(found.delta, None, None, BY_LOOKS if look.seeds else NO_LOOK_YET)
    return Contrast(found.delta, look.interval, look.p_value, "" if look.interval is not None else EACH_ALIKE)


def _first(results: Results, seeds: int) -> Results:
    return {seed: results[seed] for seed in sorted(results)[:seeds]}


def _of_weights(found: Comparison, primary: int) -> tuple[Contrast, ...]:
    assert found.mean is not None, "both have one seed, and the same sequences"
    return tuple(
        Contrast(
            one.delta,
            one.ci95,
            one.p_value if place == primary else None,
            "" if one.ci95 is not None else ALL_ALIKE,
        )
        for place, one in enumerate((*found.success, found.mean))
    )


def _with_failed(a: Sequence[float], b: Sequence[float], failed: Seeds, has_p: bool) -> WithFailed | None:
    if not any(failed):
        return None
    of_a, of_b = [*a, *[0.0] * failed[0]], [*b, *[0.0] * failed[1]]
    return WithFailed((len(of_a), len(of_b)), _of_method(welch(of_a, of_b), has_p))
