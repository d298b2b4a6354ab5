"""How trained models of one arm scatter in one measure, with how sure that is.

The model is that of a crossed layout: of the variance of a trained model's mean over Q sequences, `between_seeds`
squared is the seed's and `cells` squared over Q that of single results; what the sequences themselves make is the same
in all arms and falls out of every difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

#: Shares of sequences with any success beyond which models scatter otherwise than between them.
FLOOR, CEILING = 0.1, 0.9


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
