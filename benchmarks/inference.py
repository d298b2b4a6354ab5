"""How often the report's own functions err, on simulated results: type I error, power and coverage of what is printed.

Results are drawn as the stored runs have them (docs/results): an ordinal probit with an effect of each trained model
and of each sequence; arms share sequences. SDs between seeds are in points of 1/5.

    python -m benchmarks.inference --sets 10000

writes benchmarks/results/inference.json. Exact upper bounds (Clopper & Pearson) are beside every share.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from benchmarks.machine import describe
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.estimates import METHOD_HERE, estimates
from reports.level import ALPHA
from reports.looks import error_of_looks
from reports.methods import holm_decisions, welch_tests
from reports.statistics import compare

RESULT = Path(__file__).parent / "results" / "inference.json"

CEILING = TASKS_IN_A_ROW.ceiling
#: Shares of the demo's baseline, and of sequences between which 1/5 scatters (a standard deviation).
_RATES = (0.60, 0.15, 0.03, 0.006, 0.001)
_SD_OF_SEQUENCES = 0.207
SEQUENCES = (128, 500, 1000)
SDS = (0.0, 2.0, 6.5, 9.0)
SEEDS = ((2, 2), (3, 3), (5, 5), (10, 10), (6, 3))
UNEQUAL = ((2, 2), (3, 2), (3, 3), (6, 3), (10, 3))
_AT_ONCE = 12_000_000  # results held in memory

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """On the probit scale: standard deviations of seeds and of sequences, and the threshold of each k."""

    of_seeds: float
    of_sequences: float
    thresholds: NDArray[np.float64]

    def rates(self, shift: float = 0.0) -> NDArray[np.float64]:
        """Shares of at least k over all seeds and sequences, then the mean."""
        scale = np.sqrt(1 + self.of_seeds**2 + self.of_sequences**2)
        return _with_mean(stats.norm.cdf((shift - self.thresholds) / scale))

    def rates_here(self, of_sequences: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same over all seeds, on sequences with these effects."""
        scale = np.sqrt(1 + self.of_seeds**2)
        return _with_mean(stats.norm.cdf((of_sequences[:, None] - self.thresholds) / scale).mean(axis=0))

    def rates_of(self, of_seed: float) -> NDArray[np.float64]:
        """The same of one trained model, over all sequences."""
        return _with_mean(stats.norm.cdf((of_seed - self.thresholds) / np.sqrt(1 + self.of_sequences**2)))


def model(sd_points: float) -> Model:
    """With this standard deviation between seeds at 1/5."""

    def sd_of(effect: float, other: float, total: float) -> float:
        """Of the share, over an effect with the standard deviation `effect` beside `other`."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        threshold = -stats.norm.ppf(_RATES[0]) * np.sqrt(total)
        shares = stats.norm.cdf((effect * nodes - threshold) / np.sqrt(1 + other**2))
        weights = weights / weights.sum()
        return float(np.sqrt(weights @ shares**2 - (weights @ shares) ** 2))

    sequences = optimize.brentq(lambda s: sd_of(s, 0.0, 1 + s**2) - _SD_OF_SEQUENCES, 1e-3, 3.0)
    seeds = 0.0
    if sd_points:
        wanted = sd_points / 100
        seeds = optimize.brentq(lambda s: sd_of(s, sequences, 1 + s**2 + sequences**2) - wanted, 1e-4, 3.0)
    scale = np.sqrt(1 + seeds**2 + sequences**2)
    return Model(seeds, sequences, -stats.norm.ppf(_RATES) * scale)


def drawn(
    random: np.random.Generator, arms: Sequence[tuple[Model, int, float]], sequences: int, sets: int
) -> Iterator[tuple[list[Ints], list[NDArray[np.float64]], NDArray[np.float64]]]:
    """Data sets in parts: of each arm (sets, seeds, sequences) and its seeds' effects, and the sequences' effects."""
    most = max(1, _AT_ONCE // (sequences * sum(seeds for _, seeds, _ in arms)))
    for first in range(0, sets, most):
        count = min(most, sets - first)
        shared = random.standard_normal((count, 1, sequences), dtype=np.float32) * arms[0][0].of_sequences
        results, effects = [], []
        for one, seeds, shift in arms:
            own = shift + one.of_seeds * random.standard_normal((count, seeds, 1))
            latent = random.standard_normal((count, seeds, sequences), dtype=np.float32)
            latent += shared
            latent += own.astype(np.float32)
            found = np.zeros(latent.shape, dtype=np.int8)
            for threshold in one.thresholds:
                found += latent > threshold
            results.append(found)
            effects.append(own[..., 0])
        yield results, effects, shared[:, 0].astype(float)


def numbers(results: Ints) -> NDArray[np.float64]:
    """(measures, seeds, sets): each model's share of at least k, then its mean."""
    shares = [(results >= k).mean(axis=2) for k in range(1, CEILING + 1)]
    return np.stack([*shares, results.mean(axis=2)]).transpose(0, 2, 1)


def share(count: int, of: int) -> dict[str, Any]:
    """A share with its exact two-sided 95 % bounds."""
    bounds = stats.binomtest(count, of).proportion_ci(0.95) if of else None
    return {
        "share": count / of if of else None,
        "low": bounds and bounds.low,
        "high": bounds and bounds.high,
        "of": of,
    }


def comparisons(sets: int, seed: int) -> list[dict[str, Any]]:
    """Two arms of the same method, and of methods ten points apart: how often p is below 0.05, and the interval holds
    the difference."""
    cells = [
        (f"{a}+{b}", (sd, sd), (a, b), sequences, points)
        for a, b in SEEDS for sd in SDS for sequences in SEQUENCES for points in (0, 10)
        if not points or (sequences == 128 and sd in (2.0, 6.5))
    ] + [(f"{a}+{b}", sds, (a, b), 128, 0) for a, b in UNEQUAL for sds in ((2.0, 10.0), (10.0, 2.0))]  # fmt: skip
    rows = []
    for place, (name, sds, (a, b), sequences, points) in enumerate(cells):
        models = [model(sd) for sd in sds]
        shift = _shift(models[1], points)
        random = np.random.default_rng([seed, place])
        difference = models[1].rates(shift) - models[0].rates()
        called = np.zeros(2, int)
        told, held = np.zeros(CEILING + 1, int), np.zeros(CEILING + 1, int)
        for (of_a, of_b), _, _ in drawn(
            random, [(models[0], a, 0.0), (models[1], b, shift)], sequences, sets
        ):
            pairs = zip(numbers(of_a), numbers(of_b), strict=True)
            for measure, (x, y) in enumerate(pairs):
                found = welch_tests(x, y)
                told[measure] += int(np.isfinite(found.low).sum())
                held[measure] += int(
                    ((found.low <= difference[measure]) & (difference[measure] <= found.high)).sum()
                )
                if measure in (0, CEILING):
                    called[int(measure == CEILING)] += int((found.p_value < ALPHA).sum())
        rows.append({
            "seeds": name, "sd_points": list(sds), "sequences": sequences, "true_points": points,
            "called_different": {"success_1": share(int(called[0]), sets), "avg_len": share(int(called[1]), sets)},
            "interval_of_difference": _by_measure(told, held, sets), "p_is_relied_on": min(a, b) >= 3,
        })  # fmt: skip
        print(json.dumps(rows[-1]["called_different"]), name, sds, sequences, points, flush=True)
    return rows


def arms(sets: int, seed: int) -> list[dict[str, Any]]:
    """One arm: how often its printed intervals hold what their caption says they are of."""
    rows = []
    cells = [(n, sd, q) for n in (2, 3, 4, 5, 10) for sd in (2.0, 6.5, 9.0) for q in (128, 500)]
    for place, (seeds, sd, sequences) in enumerate(cells):
        one, random = model(sd), np.random.default_rng([seed, 1000 + place])
        told, held = np.zeros(CEILING + 1, int), np.zeros(CEILING + 1, int)
        which = ""
        for (results,), _, effects in drawn(random, [(one, seeds, 0.0)], sequences, sets):
            for matrix, of_sequences in zip(results, effects, strict=True):
                found = estimates(matrix.astype(np.int64), CEILING)
                which = found.interval_of
                truth = one.rates_here(of_sequences) if which == METHOD_HERE else one.rates()
                for measure, estimate in enumerate(found.measures):
                    if estimate.interval is not None:
                        told[measure] += 1
                        held[measure] += estimate.interval[0] <= truth[measure] <= estimate.interval[1]
        rows.append({"seeds": seeds, "sd_points": sd, "sequences": sequences, "interval_of": which,
                     "coverage": _by_measure(told, held, sets)})  # fmt: skip
        print(which, seeds, sd, sequences, [c["share"] for c in rows[-1]["coverage"].values()], flush=True)
    return rows


def one_seed(sets: int, seed: int) -> list[dict[str, Any]]:
    """One model an arm: intervals of these weights, and of the difference of two, on other sequences; and how often p
    is below 0.05."""
    rows = []
    for place, (sd, sequences) in enumerate((sd, q) for sd in (0.0, 6.5) for q in (128, 500)):
        one, random = model(sd), np.random.default_rng([seed, 2000 + place])
        told, held, pair_told, pair_held = (np.zeros(CEILING + 1, int) for _ in range(4))
        called = 0
        for both, effects, _ in drawn(random, [(one, 1, 0.0), (one, 1, 0.0)], sequences, sets):
            for of_a, of_b, effect_a, effect_b in zip(*both, *effects, strict=True):
                truths = [one.rates_of(float(effect[0])) for effect in (effect_a, effect_b)]
                for measure, estimate in enumerate(estimates(of_a.astype(np.int64), CEILING).measures):
                    if estimate.interval is not None:
                        told[measure] += 1
                        held[measure] += estimate.interval[0] <= truths[0][measure] <= estimate.interval[1]
                pair = compare("a", "b", {0: of_a[0].tolist()}, {0: of_b[0].tolist()}, CEILING)
                assert pair.mean is not None
                difference = truths[1] - truths[0]
                for measure, of_measure in enumerate((*pair.success, pair.mean)):
                    if of_measure.ci95 is not None:
                        pair_told[measure] += 1
                        low, high = of_measure.ci95
                        pair_held[measure] += low <= difference[measure] <= high
                called += pair.mean.p_value is not None and pair.mean.p_value < ALPHA
        rows.append({"sd_points": sd, "sequences": sequences, "coverage": _by_measure(told, held, sets),
                     "coverage_of_difference": _by_measure(pair_told, pair_held, sets),
                     "called_different_length": share(called, sets)})  # fmt: skip
        print("one seed", sd, sequences, json.dumps(rows[-1]["called_different_length"]), flush=True)
    return rows


def families(sets: int, seed: int) -> list[dict[str, Any]]:
    """Three arms of the same method: how often a mark of Holm stands at any of the two comparisons."""
    rows = []
    for place, seeds in enumerate((3, 5)):
        one, random = model(6.5), np.random.default_rng([seed, 3000 + place])
        marked = 0
        for results, _, _ in drawn(random, [(one, seeds, 0.0)] * 3, 128, sets):
            base, *others = (numbers(arm)[CEILING] for arm in results)
            p_values = np.stack([welch_tests(base, other).p_value for other in others], axis=1)
            marked += sum(any(holm_decisions(list(map(float, row)))) for row in p_values)
        rows.append({"seeds": seeds, "sd_points": 6.5, "sequences": 128, "any_mark": share(marked, sets)})
        print("family", json.dumps(rows[-1]), flush=True)
    return rows


def _shift(of: Model, points: float) -> float:
    """What makes 1/5 so many points more."""
    if not points:
        return 0.0
    wanted = of.rates()[0] + points / 100
    return float(optimize.brentq(lambda shift: of.rates(shift)[0] - wanted, -3, 3))


def _with_mean(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(shares, shares.sum())


def _by_measure(told: Ints, held: Ints, sets: int) -> dict[str, Any]:
    """Coverage where an interval was printed, and how often one was."""
    return {
        name: {**share(int(held[place]), int(told[place])), "printed": int(told[place]) / sets}
        for place, name in enumerate(TASKS_IN_A_ROW.columns)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sets", type=int, default=10_000, help="data sets of a cell of comparisons and families"
    )
    parser.add_argument("--arm-sets", type=int, default=2_000, help="data sets of a cell of single arms")
    parser.add_argument("--one-seed-sets", type=int, default=400, help="data sets of a cell of one seed")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        parts = {
            one.__name__: pool.submit(one, sets, asked.seed)
            for one, sets in (
                (comparisons, asked.sets),
                (one_seed, asked.one_seed_sets),
                (arms, asked.arm_sets),
                (families, asked.sets),
            )
        }
    document = {
        "command": f"python -m benchmarks.inference --sets {asked.sets} --arm-sets {asked.arm_sets} "
        f"--one-seed-sets {asked.one_seed_sets} --seed {asked.seed}",
        "machine": describe(),
        "model": {"rates": _RATES, "sd_of_sequences_at_1/5": _SD_OF_SEQUENCES, "sds_between_seeds": SDS},
        **{name: one.result() for name, one in parts.items()},
        "looks": [
            {"seeds": looks, "called_different": error_of_looks(looks)}
            for looks in (((3, 3), (6, 6)), ((3, 3), (6, 3)), ((3, 3), (4, 4), (5, 5), (6, 6)))
        ],
    }
    document["seconds"] = round(time.monotonic() - began)
    asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
