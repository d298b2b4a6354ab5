"""What `benchmarks.inference` simulates: designs, and how often the report's functions err there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.simulated_results import CEILING, Ints, Model, drawn, model, numbers, shift_of
from experiments.design.bounds import FIRST_LOOK, looks_bounds
from experiments.design.decision import Rules, ends
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.arm_intervals import method_intervals
from reports.estimates import METHOD_HERE, estimates, interval_of
from reports.level import ALPHA
from reports.methods import holm_decisions, welch_tests
from reports.statistics import compare

SEQUENCES = (128, 500, 1000)
SDS = (0.0, 2.0, 6.5, 9.0)
SEEDS = ((2, 2), (3, 3), (5, 5), (10, 10), (6, 3))
UNEQUAL = ((2, 2), (3, 2), (3, 3), (6, 3), (10, 3))
#: Data sets of a cell whose vectorised intervals are held against the report's own function.
_CHECKED = 3
_MEAN = CEILING  # place of the mean among the measures

Json = dict[str, Any]
Simulate = Callable[[int, np.random.Generator], Json]


@dataclass(frozen=True)
class Cell:
    """about: what is simulated, in JSON; simulate: figures of so many data sets."""

    about: Json
    simulate: Simulate


def comparisons() -> Iterator[Cell]:
    """Two arms of the same method, and of methods ten points apart: how often p is below 0.05, and the interval holds
    the difference."""
    designs = [
        (pair, (sd, sd), sequences, points)
        for pair in SEEDS for sd in SDS for sequences in SEQUENCES for points in (0, 10)
        if not points or (sequences == 128 and sd in (2.0, 6.5))
    ] + [(pair, sds, 128, 0) for pair in UNEQUAL for sds in ((2.0, 10.0), (10.0, 2.0))]  # fmt: skip
    for (a, b), sds, sequences, points in designs:
        about = {
            "seeds": f"{a}+{b}", "sd_points": list(sds), "sequences": sequences, "true_points": points,
            "p_is_relied_on": min(a, b) >= 3,
        }  # fmt: skip
        yield Cell(about, partial(_compared, (a, b), sds, sequences, points))


def _compared(
    seeds: tuple[int, int],
    sds: tuple[float, float],
    sequences: int,
    points: int,
    sets: int,
    random: np.random.Generator,
) -> Json:
    models = [model(sd) for sd in sds]
    shift = shift_of(models[1], points)
    difference = models[1].rates(shift) - models[0].rates()
    called, told, held = _zeros(), _zeros(), _zeros()
    pair = [(models[0], seeds[0], 0.0), (models[1], seeds[1], shift)]
    for (of_a, of_b), _, _ in drawn(random, pair, sequences, sets):
        for place, (x, y) in enumerate(zip(numbers(of_a), numbers(of_b), strict=True)):
            found = welch_tests(x, y)
            told[place] += np.isfinite(found.low).sum()
            held[place] += ((found.low <= difference[place]) & (difference[place] <= found.high)).sum()
            called[place] += (found.p_value < ALPHA).sum()
    return {
        "called_different": {
            name: share(int(called[place]), sets) for name, place in (("success_1", 0), ("avg_len", _MEAN))
        },
        "interval_of_difference": _by_measure(told, held, sets),
    }


def arms() -> Iterator[Cell]:
    """One arm: how often its printed intervals hold what their caption says they are of, and how wide they are."""
    for seeds in (2, 3, 4, 5, 10):
        for sd in SDS:
            for sequences in SEQUENCES:
                about = {
                    "seeds": seeds,
                    "sd_points": sd,
                    "sequences": sequences,
                    "interval_of": interval_of(seeds),
                }
                yield Cell(about, partial(_of_arm, seeds, sd, sequences))


def _of_arm(seeds: int, sd: float, sequences: int, sets: int, random: np.random.Generator) -> Json:
    one = model(sd)
    told, held, width = _zeros(), _zeros(), np.zeros(CEILING + 1)
    for part, ((results,), _, effects) in enumerate(drawn(random, [(one, seeds, 0.0)], sequences, sets)):
        here = interval_of(seeds) == METHOD_HERE
        truths = one.rates_here(effects) if here else np.tile(one.rates(), (len(results), 1))
        for place in range(CEILING + 1):
            mean = place == _MEAN
            values = (results if mean else results > place).astype(np.float64)
            low, high = method_intervals(values, float(CEILING) if mean else 1.0)
            if not part:
                _check(results[:_CHECKED], place, low, high)
            is_told = np.isfinite(low)
            told[place] += is_told.sum()
            held[place] += ((low <= truths[:, place]) & (truths[:, place] <= high)).sum()
            width[place] += (high - low)[is_told].sum()
    widths = {name: float(width[place] / told[place]) for place, name in enumerate(TASKS_IN_A_ROW.columns)}
    return {"coverage": _by_measure(told, held, sets), "mean_width": widths}


def _check(results: Ints, place: int, low: np.ndarray, high: np.ndarray) -> None:
    """That the ends are those of the report."""
    for at, matrix in enumerate(results):
        printed = estimates(matrix.astype(np.int64), CEILING).measures[place].interval
        ends = (np.nan, np.nan) if printed is None else printed
        np.testing.assert_allclose((low[at], high[at]), ends)


def looked_at() -> Iterator[Cell]:
    """Arms whose number of seeds looks decided: their own intervals, which take no notice of that. Arms are of
    the baseline's method, or so many points better."""
    for arms_of, most in ((3, 12), (2, 15)):
        for sd in (2.0, 6.5):
            for points in (0, 10):
                about = {
                    "arms": arms_of, "max": most, "margin_points": 10.0, "sd_points": sd, "sequences": 128,
                    "true_points": points,
                }  # fmt: skip
                yield Cell(about, partial(_looked_at, arms_of, most, sd, points))


def _looked_at(
    arms_of: int, most: int, sd: float, points: int, sets: int, random: np.random.Generator
) -> Json:
    names = [f"arm {number}" for number in range(arms_of)]
    rules = Rules(names[0], tuple(names[1:]), "success_1", 0.1, looks_bounds(most, arms_of - 1))
    one, told, held = model(sd), _zeros(), _zeros()
    shifts = [0.0, *[shift_of(one, points)] * (arms_of - 1)]
    for results, _, effects in drawn(random, [(one, most, shift) for shift in shifts], 128, sets):
        firsts = [numbers(arm)[0] for arm in results]
        lasts = [ends(rules, firsts[0], arm).last + FIRST_LOOK for arm in firsts[1:]]
        for arm, seeds, shift in zip(results, [np.max(lasts, axis=0), *lasts], shifts, strict=True):
            here, everywhere = one.rates_here(effects + shift), one.rates(shift)
            for count in np.unique(seeds):
                some = seeds == count
                truths = here[some] if interval_of(int(count)) == METHOD_HERE else everywhere
                for place in range(CEILING + 1):
                    mean = place == _MEAN
                    matrices = arm[some, :count]
                    values = (matrices if mean else matrices > place).astype(np.float64)
                    limit, truth = (float(CEILING) if mean else 1.0), truths[..., place]
                    low, high = method_intervals(values, limit)
                    told[place] += np.isfinite(low).sum()
                    held[place] += ((low <= truth) & (truth <= high)).sum()
    return {"coverage": _by_measure(told, held, sets * arms_of)}


def one_seed() -> Iterator[Cell]:
    """One model an arm: intervals of these weights, and of the difference of two, on other sequences; and how often p
    is below 0.05."""
    for sd in (0.0, 6.5):
        for sequences in (128, 500):
            yield Cell({"sd_points": sd, "sequences": sequences}, partial(_of_weights, sd, sequences))


def _of_weights(sd: float, sequences: int, sets: int, random: np.random.Generator) -> Json:
    one: Model = model(sd)
    told, held, pair_told, pair_held = (_zeros() for _ in range(4))
    called = 0
    for both, effects, _ in drawn(random, [(one, 1, 0.0), (one, 1, 0.0)], sequences, sets):
        for of_a, of_b, effect_a, effect_b in zip(*both, *effects, strict=True):
            truths = [one.rates_of(float(effect[0])) for effect in (effect_a, effect_b)]
            for place, estimate in enumerate(estimates(of_a.astype(np.int64), CEILING).measures):
                if estimate.interval is not None:
                    told[place] += 1
                    held[place] += estimate.interval[0] <= truths[0][place] <= estimate.interval[1]
            pair = compare("a", "b", {0: of_a[0].tolist()}, {0: of_b[0].tolist()}, CEILING)
            assert pair.mean is not None
            difference = truths[1] - truths[0]
            for place, of_measure in enumerate((*pair.success, pair.mean)):
                if of_measure.ci95 is not None:
                    pair_told[place] += 1
                    pair_held[place] += of_measure.ci95[0] <= difference[place] <= of_measure.ci95[1]
            called += pair.mean.p_value is not None and pair.mean.p_value < ALPHA
    return {
        "coverage": _by_measure(told, held, sets),
        "coverage_of_difference": _by_measure(pair_told, pair_held, sets),
        "called_different_length": share(called, sets),
    }


def families() -> Iterator[Cell]:
    """Three arms of the same method: how often a mark of Holm stands at any of the two comparisons."""
    for seeds in (3, 5):
        yield Cell({"seeds": seeds, "sd_points": 6.5, "sequences": 128}, partial(_family, seeds))


def _family(seeds: int, sets: int, random: np.random.Generator) -> Json:
    marked = 0
    for results, _, _ in drawn(random, [(model(6.5), seeds, 0.0)] * 3, 128, sets):
        base, *others = (numbers(arm)[_MEAN] for arm in results)
        p_values = np.stack([welch_tests(base, other).p_value for other in others], axis=1)
        small = p_values[(p_values < ALPHA).any(axis=1)]  # without one there is no mark
        marked += sum(any(holm_decisions(list(map(float, row)))) for row in small)
    return {"any_mark": share(marked, sets)}


def share(count: int, of: int) -> Json:
    """A share with its exact two-sided 95 % bounds."""
    bounds = stats.binomtest(count, of).proportion_ci(0.95) if of else None
    return {
        "share": count / of if of else None,
        "low": bounds and bounds.low,
        "high": bounds and bounds.high,
        "of": of,
    }


def _zeros() -> Ints:
    return np.zeros(CEILING + 1, dtype=np.int64)


def _by_measure(told: Ints, held: Ints, sets: int) -> Json:
    """Coverage where an interval was printed, and how often one was."""
    return {
        name: {**share(int(held[place]), int(told[place])), "printed": int(told[place]) / sets}
        for place, name in enumerate(TASKS_IN_A_ROW.columns)
    }
