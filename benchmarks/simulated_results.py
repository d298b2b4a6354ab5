"""Results of ablations whose truth is known, drawn as the stored runs have them (docs/results): an ordinal probit with
an effect of each trained model and of each sequence; arms share sequences. SDs between seeds are in points of 1/5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from experiments.reconvla.report.metric import TASKS_IN_A_ROW

CEILING = TASKS_IN_A_ROW.ceiling
#: Shares of the demo's baseline, and of sequences between which 1/5 scatters (a standard deviation).
RATES = (0.60, 0.15, 0.03, 0.006, 0.001)
SD_OF_SEQUENCES = 0.207
_AT_ONCE = 6_000_000  # results held in memory

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
        """The same over all seeds, on sequences with these effects; (..., sequences) gives (..., measures)."""
        scale = np.sqrt(1 + self.of_seeds**2)
        shares = [special.ndtr((of_sequences - limit) / scale).mean(axis=-1) for limit in self.thresholds]
        return _with_mean(np.stack(shares, axis=-1))

    def rates_of(self, of_seed: float) -> NDArray[np.float64]:
        """The same of one trained model, over all sequences."""
        return _with_mean(stats.norm.cdf((of_seed - self.thresholds) / np.sqrt(1 + self.of_sequences**2)))


def model(sd_points: float) -> Model:
    """With this standard deviation between seeds at 1/5."""

    def sd_of(effect: float, other: float, total: float) -> float:
        """Of the share, over an effect with the standard deviation `effect` beside `other`."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        threshold = -stats.norm.ppf(RATES[0]) * np.sqrt(total)
        shares = stats.norm.cdf((effect * nodes - threshold) / np.sqrt(1 + other**2))
        weights = weights / weights.sum()
        return float(np.sqrt(weights @ shares**2 - (weights @ shares) ** 2))

    sequences = optimize.brentq(lambda s: sd_of(s, 0.0, 1 + s**2) - SD_OF_SEQUENCES, 1e-3, 3.0)
    seeds = 0.0
    if sd_points:
        wanted = sd_points / 100
        seeds = optimize.brentq(lambda s: sd_of(s, sequences, 1 + s**2 + sequences**2) - wanted, 1e-4, 3.0)
    scale = np.sqrt(1 + seeds**2 + sequences**2)
    return Model(seeds, sequences, -stats.norm.ppf(RATES) * scale)


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
    sequences = results.shape[2]
    counts = np.stack([np.count_nonzero(results >= k, axis=2) for k in range(1, CEILING + 1)]).transpose(
        0, 2, 1
    )
    return np.concatenate([counts, counts.sum(axis=0, keepdims=True)]) / sequences


def shift_of(of: Model, points: float) -> float:
    """What makes 1/5 so many points more."""
    if not points:
        return 0.0
    wanted = of.rates()[0] + points / 100
    return float(optimize.brentq(lambda shift: of.rates(shift)[0] - wanted, -3, 3))


def _with_mean(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(shares, shares.sum(axis=-1, keepdims=True), axis=-1)
