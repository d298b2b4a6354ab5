"""What adaptive seeds decide of ablations whose truth is known, by the product's own bounds and decision.

    python -m benchmarks.adaptive_seeds [--null 10000] [--power 10000]

Models are drawn as stored runs scatter (ordinal probit with effects of seeds and of sequences; the thresholds and
variances below give back an SD of 6.5 points between seeds at 1/5 and of 43.8 of one result, P(1/5) = 0.60): every arm
and seed has its own effect, all models play the same 128 sequences. Null: three arms of one method, at most 12 seeds;
false winners are ablations in which any arm is called better or worse. Power: two arms, at most 15 seeds, a margin of
10 points, against the smallest fixed design of Welch's t with 80 % power at 10 points. Exit code 1 where a share is not
what it must be.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.machine import describe
from experiments.design.bounds import FIRST_LOOK, looks_bounds
from experiments.design.decision import Rules, ends
from reports.methods import welch_tests
from reports.power import seeds_for
from trials import git

RESULT = Path(__file__).resolve().parent / "results" / "adaptive_seeds.json"
SEQUENCES, RATE = 128, 0.60
#: Points: between seeds, and of one result within its sequence; of sequences.
SEED_SD, CELL_SD, SEQUENCE_SD = 6.5, 43.8, 20.7
MARGIN = 10.0
#: Ablations in memory at once.
_PART = 250
NULL_MOST, POWER_MOST = 12, 15
MOST_FALSE, LEAST_POWER, MOST_AT_15, MOST_AT_0 = 0.055, 0.80, 0.70, 1.35


class Models:
    """Draws 1/5 of trained models, in points. On the probit scale effects have these standard deviations, in units of
    that of a single result."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance
        slope = _slope(RATE)
        self._whole = 1 / math.sqrt(1 - (SEED_SD / slope) ** 2 - (SEQUENCE_SD / slope) ** 2)
        self._sequence = SEQUENCE_SD / slope * self._whole

    def draw(self, points: list[float], seeds: int, ablations: int) -> list[NDArray[np.float64]]:
        """Of arms whose methods are this many points better than RATE: (seeds, ablations) each. All arms of an ablation
        play the same sequences."""
        sequences = self._sequence * self._chance.standard_normal((1, SEQUENCES, ablations))
        arms = []
        for better in points:
            middle = stats.norm.ppf(RATE + better / 100) * self._whole
            seed = SEED_SD / _slope(RATE + better / 100) * self._whole  # as many points in every arm
            effects = seed * self._chance.standard_normal((seeds, 1, ablations))
            single = self._chance.standard_normal((seeds, SEQUENCES, ablations), dtype=np.float32)
            arms.append(100 * (single > -(middle + effects + sequences)).mean(axis=1))
        return arms


def _slope(rate: float) -> float:
    """Points for a unit of the whole latent scale."""
    return 100 * float(stats.norm.pdf(stats.norm.ppf(rate)))


def rules_of(arms: int, most: int) -> Rules:
    names = tuple(f"arm {number}" for number in range(1, arms))
    return Rules("arm 0", names, "success_1", MARGIN, looks_bounds(most, arms - 1))


def null(chance: np.random.Generator, count: int) -> dict[str, Any]:
    rules, models = rules_of(3, NULL_MOST), Models(chance)
    false, verdicts, seeds = 0, Counter[str](), list[int]()
    for some in _parts(count):
        baseline, *arms = models.draw([0.0, 0.0, 0.0], NULL_MOST, some)
        found = [ends(rules, baseline, arm) for arm in arms]
        won = [np.isin(one.verdict, ("better", "worse")) for one in found]
        false += int((won[0] | won[1]).sum())
        for one in found:
            verdicts.update(one.verdict.tolist())
            seeds += (one.last + FIRST_LOOK).tolist()
    upper = float(stats.beta.ppf(0.95, false + 1, count - false))
    return {
        "ablations": count, "arms": 3, "max": NULL_MOST, "bound": rules.bounds[-1], "false_winners": false / count,
        "false_winners_upper_95": upper, "arms_by_verdict": dict(verdicts), "mean_seeds": float(np.mean(seeds)),
    }  # fmt: skip


def power(chance: np.random.Generator, count: int, points: float, fixed: int) -> dict[str, Any]:
    rules, models = rules_of(2, POWER_MOST), Models(chance)
    verdicts, seeds, rejected, missed = Counter[str](), list[int](), 0, 0
    for some in _parts(count):
        baseline, arm = models.draw([0.0, points], POWER_MOST, some)
        found = ends(rules, baseline, arm)
        verdicts.update(found.verdict.tolist())
        seeds += (found.last + FIRST_LOOK).tolist()
        low, high = (np.array(one)[found.last, np.arange(some)] for one in (found.low, found.high))
        missed += int((~((low <= points) & (points <= high))).sum())
        rejected += int((welch_tests(baseline[:fixed], arm[:fixed]).p_value < 0.05).sum())
    different = (verdicts["better"] + verdicts["worse"]) / count
    return {
        "points": points, "ablations": count, "different": different,
        "standard_error": math.sqrt(different * (1 - different) / count),
        "by_verdict": {verdict: number / count for verdict, number in sorted(verdicts.items())},
        "mean_seeds": float(np.mean(seeds)), "of_fixed": float(np.mean(seeds)) / fixed,
        "fixed_different": rejected / count, "last_interval_misses": missed / count,
    }  # fmt: skip


def _parts(count: int) -> list[int]:
    return [min(_PART, count - first) for first in range(0, count, _PART)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--null", type=int, default=10_000)
    parser.add_argument("--power", type=int, default=10_000)
    options = parser.parse_args()
    began = time.monotonic()
    chance = np.random.default_rng(27)
    (drawn,) = Models(chance).draw([0.0], 20, 500)
    of_model = math.hypot(SEED_SD, CELL_SD / math.sqrt(SEQUENCES))
    fixed = seeds_for(MARGIN, of_model, LEAST_POWER)
    assert fixed is not None
    found_null = null(chance, options.null)
    print(json.dumps(found_null), flush=True)
    found_power = []
    for points in (0.0, 5.0, 10.0, 15.0):
        found_power.append(power(chance, options.power, points, fixed))
        print(json.dumps(found_power[-1]), flush=True)
    by_points = {entry["points"]: entry for entry in found_power}
    checks = {
        "upper bound of the family's false winners at most 5.5 %": found_null["false_winners_upper_95"]
        <= MOST_FALSE,
        "power at 10 points at least 80 %": by_points[10.0]["different"] >= LEAST_POWER,
        "mean seeds at 15 points at most 0.7 of the fixed design": by_points[15.0]["of_fixed"] <= MOST_AT_15,
        "mean seeds at 0 points at most 1.35 of it": by_points[0.0]["of_fixed"] <= MOST_AT_0,
    }
    document = {
        "what": "adaptive seeds against truths that are known",
        "commit": git("rev-parse", "--short", "HEAD"),
        "machine": describe(),
        "first_look": FIRST_LOOK, "sequences": SEQUENCES, "margin_points": MARGIN,
        "sd_of_model_meant": of_model, "sd_of_model_drawn": float(np.sqrt(drawn.var(axis=0, ddof=1).mean())),
        "fixed_seeds": fixed, "null": found_null, "power": found_power, "checks": checks,
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(checks, indent=1))
    return int(not all(checks.values()))


if __name__ == "__main__":
    raise SystemExit(main())
