"""How results scatter between seeds: of earlier ablations in a home, else of stored runs; always with how sure that is.

The model is that of a crossed layout: of the variance of a trained model's mean over Q sequences, `between_seeds`
squared is the seed's and `cells` squared over Q that of single results; what the sequences themselves make is the same
in all arms and falls out of every difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import special

from experiments.design.measures import Measure
from settings.documents import parse_yaml

_PRIORS = Path(__file__).with_name("priors.yaml")
#: With fewer, an SD may be half of what it is, or twice: stored runs say more.
FEWEST_DEGREES = 4
#: Arms that say nothing of how others scatter: too few sequences, or a share of successes at the floor or the ceiling.
FEWEST_SEQUENCES = 32
_FLOOR, _CEILING = 0.1, 0.9


@dataclass(frozen=True)
class Spread:
    """Standard deviations in a measure's unit. freedom: degrees of freedom between seeds, of models that were judged on
    `sequences` each. source: for people. left_out: arms of the home that could not be used."""

    between_seeds: float
    cells: float
    freedom: int
    sequences: float
    source: str
    left_out: int = 0

    def of_model(self, sequences: int) -> float:
        """SD of the mean of one trained model over so many sequences."""
        return math.hypot(self.between_seeds, self.cells / math.sqrt(sequences))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the SD between seeds: chi-squared for the means of models, less what single results make of
        it."""
        results = self.cells**2 / self.sequences
        squares = (self.between_seeds**2 + results) * self.freedom
        low, high = (squares / float(special.chdtri(self.freedom, 1 - edge)) for edge in (0.975, 0.025))
        return math.sqrt(max(0.0, low - results)), math.sqrt(max(0.0, high - results))

    def interval_of_model(self, sequences: int) -> tuple[float, float]:
        """The same of the SD of one trained model's mean."""
        low, high = (math.hypot(edge, self.cells / math.sqrt(sequences)) for edge in self.interval)
        return low, high


@cache
def _priors() -> dict[str, Spread]:
    document = parse_yaml(_PRIORS.read_text(encoding="utf-8"), str(_PRIORS), is_ours=True)
    return {
        name: Spread(
            entry["between_seeds"],
            entry["cells"],
            document["freedom"],
            document["sequences"],
            document["source"],
        )
        for name, entry in document["measures"].items()
    }


def prior(measure: Measure) -> Spread | None:
    """Of the stored runs; None where they were not asked for this measure."""
    return _priors().get(measure.name)


def spread_of(measure: Measure, arms: Iterable[Sequence[Sequence[int]]]) -> Spread | None:
    """Of results (models, sequences) of each arm, pooled over arms by their degrees of freedom; None where no arm says
    anything. The least that is taken for the SD between seeds is 0.
    """
    squares, residues, freedom, cells_freedom, models, played, left_out = 0.0, 0.0, 0, 0, 0, 0, 0
    for results in arms:
        if not _says_something(results):
            left_out += 1
            continue
        cells = measure.cells(results)
        seeds, sequences = cells.shape
        means = cells.mean(axis=1)
        rest = cells - means[:, None] - cells.mean(axis=0)[None, :] + cells.mean()
        squares += float(((means - means.mean()) ** 2).sum())
        residues += float((rest**2).sum())
        freedom += seeds - 1
        cells_freedom += (seeds - 1) * (sequences - 1)
        models, played = models + seeds, played + seeds * sequences
    if not freedom:
        return None
    of_cells, sequences_each = math.sqrt(residues / cells_freedom), played / models
    between = math.sqrt(max(0.0, squares / freedom - of_cells**2 / sequences_each))
    source = f"{models} trained models of this home"
    return Spread(between, of_cells, freedom, sequences_each, source, left_out)


def spread_for(measure: Measure, arms: Sequence[Sequence[Sequence[int]]]) -> Spread | None:
    """What to plan with: that of the home's arms from FEWEST_DEGREES on, else of the stored runs; None: neither."""
    here, stored = spread_of(measure, arms), prior(measure)
    if here is not None and (here.freedom >= FEWEST_DEGREES or stored is None):
        return here
    return stored


def _says_something(results: Sequence[Sequence[int]]) -> bool:
    found = np.asarray(results)
    if found.ndim != 2 or len(found) < 2 or found.shape[1] < FEWEST_SEQUENCES:
        return False
    return _FLOOR <= float((found >= 1).mean()) <= _CEILING
