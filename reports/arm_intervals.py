"""Intervals of an arm's own figures, over its trained models: Student's t on a scale on which shares scatter evenly.

A share near an end scatters unevenly: a symmetric interval misses too often on the side of the middle, and can reach
beyond what a share can be. So the t is of a function of the mean, with the error that it has there by the delta method.
From five seeds on these are log odds, as surveys have it (`svyciprop(method="logit")` of R). With fewer the quantile of
t is so large that log odds would stretch the interval of a rare share over nearly everything: there it is the arcsine
of the root, which bends less and suffices. A mean of results is a share of the largest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.level import ALPHA
from reports.methods import vary

#: From so many seeds on an arm's interval speaks of other sequences too.
FEWEST_CROSSED = 5

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _Scale:
    """to: from a share; slope: of `to`; back: to a share, from any number."""

    to: Callable[[Numbers], Numbers]
    slope: Callable[[Numbers], Numbers]
    back: Callable[[Numbers], Numbers]


_ARCSINE = _Scale(
    to=lambda share: np.arcsin(np.sqrt(share)),
    slope=lambda share: 0.5 / np.sqrt(share * (1 - share)),
    back=lambda angle: np.sin(np.clip(angle, 0.0, np.pi / 2)) ** 2,
)
_LOG_ODDS = _Scale(to=special.logit, slope=lambda share: 1 / (share * (1 - share)), back=special.expit)


def t_intervals(means: Numbers, most: float) -> Numbers:
    """95 % intervals of methods' means on the sequences that were played; means: (..., trained models), 0 to most.

    (2, ...): lower and upper ends; NaN of a single model, and where nothing varies.
    """
    models = means.shape[-1]
    if models < 2:
        return np.full((2, *means.shape[:-1]), np.nan)
    error = means.std(axis=-1, ddof=1) / np.sqrt(models)
    return _ends(means.mean(axis=-1), error, models - 1.0, most, _all_vary(means), _ARCSINE)


def crossed_intervals(values: Numbers, most: float) -> Numbers:
    """95 % intervals of methods' means over other seeds and sequences; values: (..., seeds, sequences), 0 to most.

    Mean squares of a crossed layout with random seeds and sequences, degrees of freedom after Satterthwaite (1946).
    Sequences that differ less than their cells do count as not differing. (2, ...): lower and upper ends; NaN of a
    single seed or sequence, and where the means of seeds do not vary.
    """
    seeds, sequences = values.shape[-2:]
    if min(seeds, sequences) < 2:
        return np.full((2, *values.shape[:-2]), np.nan)
    of_seeds = values.mean(axis=-1)
    square_seeds, square_sequences, square_cells = mean_squares(values)
    freedom = seeds - 1, sequences - 1, (seeds - 1) * (sequences - 1)
    differ = square_sequences > square_cells
    total = square_seeds + np.where(differ, square_sequences - square_cells, 0.0)
    parts = np.where(differ, square_sequences**2 / freedom[1] + square_cells**2 / freedom[2], 0.0)
    varied = _all_vary(of_seeds)
    with np.errstate(invalid="ignore"):  # where nothing varies
        degrees = total**2 / (square_seeds**2 / freedom[0] + parts)
    error = np.sqrt(total / (seeds * sequences))
    return _ends(of_seeds.mean(axis=-1), error, degrees, most, varied, _LOG_ODDS)


def mean_squares(values: Numbers) -> Numbers:
    """(3, ...): of seeds, of sequences and of cells; values: (..., seeds, sequences), at least two of each."""
    seeds, sequences = values.shape[-2:]
    of_seeds, of_sequences = values.mean(axis=-1), values.mean(axis=-2)
    mean = of_seeds.mean(axis=-1)
    rest = values - of_seeds[..., :, None] - of_sequences[..., None, :] + mean[..., None, None]
    found: Numbers = np.stack(
        [
            sequences * of_seeds.var(axis=-1, ddof=1),
            seeds * of_sequences.var(axis=-1, ddof=1),
            (rest**2).sum(axis=(-2, -1)) / ((seeds - 1) * (sequences - 1)),
        ]
    )
    return found


def method_intervals(values: Numbers, most: float) -> Numbers:
    """What the number of seeds allows of the two; values: (..., seeds, sequences)."""
    if values.shape[-2] >= FEWEST_CROSSED:
        return crossed_intervals(values, most)
    return t_intervals(values.mean(axis=-1), most)


def _ends(
    mean: Numbers,
    error: Numbers,
    degrees: Numbers | float,
    most: float,
    told: NDArray[np.bool_],
    scale: _Scale,
) -> Numbers:
    """NaN where not `told`. What varies is neither 0 nor `most` on average."""
    share = np.where(told, mean / most, 0.5)
    half = special.stdtrit(degrees, 1 - ALPHA / 2) * error / most * scale.slope(share)
    middle = scale.to(share)
    ends: Numbers = np.where(told, most * scale.back(np.stack([middle - half, middle + half])), np.nan)
    return ends


def _all_vary(means: Numbers) -> NDArray[np.bool_]:
    """Over the last axis."""
    return vary(np.moveaxis(means, -1, 0).reshape(means.shape[-1], -1)).reshape(means.shape[:-1])
