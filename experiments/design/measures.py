"""What of a trained model's results is compared: one number, in a unit that people speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import ConfigError
from reports.metric import Metric
from settings.shown import shown
from settings.suggestions import did_you_mean


@dataclass(frozen=True)
class Measure:
    """`name`: in settings and JSON. `label`: what people read. `unit`: points for a share of sequences, else what the
    metric counts. `level`: of the share of sequences with at least so much; None: the mean. `ceiling`: of the metric.
    """

    name: str
    label: str
    unit: str
    level: int | None
    ceiling: int

    @property
    def largest(self) -> float:
        """Of a difference."""
        return float(self.ceiling) if self.level is None else 100.0

    def cells(self, results: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """(models, sequences), in the unit, of results 0..ceiling of the same shape."""
        found: NDArray[np.float64] = np.asarray(results, dtype=np.float64)
        if self.level is not None:
            found = np.where(found >= self.level, 100.0, 0.0)
        return found

    def of_model(self, results: Sequence[int]) -> float:
        """The number of one trained model."""
        return float(self.cells([results]).mean())


def measures_of(metric: Metric) -> tuple[Measure, ...]:
    """The mean first, then each share."""
    shares = (
        Measure(column, rate, "points", level, metric.ceiling)
        for level, column, rate in zip(metric.levels, metric.columns, metric.rates)
    )
    mean = Measure(metric.name, metric.title, metric.unit.split()[0], None, metric.ceiling)
    return (mean, *shares)


def measure_named(metric: Metric, name: str, place: str) -> Measure:
    """By its name or its label (`success_1`, `1/5`). Raises ConfigError, beginning with `place`, for another."""
    known = measures_of(metric)
    for measure in known:
        if name in (measure.name, measure.label):
            return measure
    names = [measure.name for measure in known]
    raise ConfigError(
        f"{place}: unknown measure {shown(name)}; known: {', '.join(names)}{did_you_mean(name, names)}"
    )
