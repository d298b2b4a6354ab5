"""Statistics of an episode's columns, and of all episodes, under the names that lerobot gives them.

Of pictures they are those of every pixel (lerobot looks at some, made smaller), as shares of 255. Quantiles of the
whole are means of the episodes', weighted by their frames, as in lerobot's `aggregate_stats`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_NAMES = frozenset({"min", "max", "mean", "std", "count", *QUANTILES})

#: min, max, mean, std and quantiles, (width,) each or (3, 1, 1) of pictures; count, (1,): frames.
Statistics = Mapping[str, np.ndarray]


def of_numbers(values: np.ndarray) -> Statistics:
    """values: (T, width)."""
    wide = values.astype(np.float64)
    found = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0)}
    quantiles = np.quantile(wide, list(QUANTILES.values()), axis=0)
    return found | {"count": np.array([len(values)])} | dict(zip(QUANTILES, quantiles))


def of_pictures(pictures: np.ndarray) -> Statistics:
    """pictures: uint8 (T, H, W, 3)."""
    levels = np.arange(256)
    counts = np.stack(
        [np.bincount(pictures[..., channel].reshape(-1), minlength=256) for channel in range(3)]
    )  # (3, 256)
    pixels = counts.sum(1)
    mean = (counts * levels).sum(1) / pixels
    variance = (counts * levels**2).sum(1) / pixels - mean**2
    reached = counts.cumsum(1)
    found = {
        "min": np.array([np.flatnonzero(row)[0] for row in counts]),
        "max": np.array([np.flatnonzero(row)[-1] for row in counts]),
        "mean": mean,
        "std": np.sqrt(np.maximum(variance, 0)),
    }
    for name, share in QUANTILES.items():
        found[name] = np.array([np.searchsorted(row, share * total) for row, total in zip(reached, pixels)])
    shares = {name: (values / 255.0).reshape(3, 1, 1) for name, values in found.items()}
    return shares | {"count": np.array([len(pictures)])}


class Whole:
    """Statistics of all episodes, gathered while they pass by: exact but for the quantiles."""

    def __init__(self) -> None:
        self._count = 0
        self._least: dict[str, np.ndarray] = {}
        self._sums: dict[str, np.ndarray] = {}

    def add(self, one: Mapping[str, Sequence[float] | np.ndarray]) -> None:
        arrays = {name: np.asarray(values, dtype=np.float64) for name, values in one.items()}
        count = int(arrays.pop("count")[0])
        for name, pick in (("min", np.minimum), ("max", np.maximum)):
            values = arrays.pop(name)
            self._least[name] = pick(self._least[name], values) if name in self._least else values
        mean, std = arrays.pop("mean"), arrays.pop("std")
        sums = {"mean": mean, "square": std**2 + mean**2, **arrays}
        for name, values in sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + count * values
        self._count += count

    def statistics(self) -> Statistics:
        means = {name: values / self._count for name, values in self._sums.items()}
        square = means.pop("square")
        std = np.sqrt(np.maximum(square - means["mean"] ** 2, 0))
        return {**self._least, **means, "std": std, "count": np.array([self._count])}


def need_statistics(kept: object, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError where these are not the statistics of columns of such shapes, as `as_lists` gives them."""
    if not isinstance(kept, Mapping) or kept.keys() != shapes.keys():
        raise ValueError("the statistics are not of the columns")
    for column, one in kept.items():
        if not isinstance(one, Mapping) or one.keys() != _NAMES:
            raise ValueError(f"{column} has not the statistics of a column")
        for name, values in one.items():
            found = _numbers(values)
            if found is None or found.shape != ((1,) if name == "count" else shapes[column]):
                raise ValueError(f"{name} of {column} has another shape, or is of no numbers")
        if type(one["count"][0]) is not int or one["count"][0] < 1:
            raise ValueError(f"{column} has no frame")


def _numbers(values: object) -> np.ndarray | None:
    try:
        found = np.asarray(values)
    except ValueError:  # lists of several lengths
        return None
    return found if found.dtype.kind in "if" else None


def as_lists(statistics: Statistics, names: Sequence[str] | None = None) -> dict[str, list[float]]:
    """As JSON has them. names: those that are wanted, None for all."""
    return {name: values.tolist() for name, values in statistics.items() if names is None or name in names}
