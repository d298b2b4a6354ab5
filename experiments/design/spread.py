"""How results scatter between seeds: of earlier ablations in a home, else of stored runs; always with how sure that is
(`reports.scatter`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from experiments.design.measures import Measure, measures_of
from reports.data import RunReport
from reports.metric import Metric
from reports.scatter import CEILING, FLOOR, Spread
from settings.documents import parse_yaml

_PRIORS = Path(__file__).with_name("priors.yaml")
#: With fewer, an SD may be half of what it is, or twice: stored runs say more.
FEWEST_DEGREES = 4
#: Arms with fewer say nothing of how others scatter.
FEWEST_SEQUENCES = 32


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


def spread_of(
    measure: Measure, arms: Iterable[Sequence[Sequence[int]]], where: str = "this home"
) -> Spread | None:
    """Of results (models, sequences) of each arm, pooled over arms by their degrees of freedom; None where no arm says
    anything. The least that is taken for the SD between seeds is 0. where: the arms are, for people.
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
    source = f"{models} trained models of {where}"
    return Spread(between, of_cells, freedom, sequences_each, source, left_out)


def spread_for(
    measure: Measure, arms: Sequence[Sequence[Sequence[int]]], where: str = "this home"
) -> Spread | None:
    """What to plan with: that of these arms from FEWEST_DEGREES on, else of the stored runs; None: neither."""
    here, stored = spread_of(measure, arms, where), prior(measure)
    if here is not None and (here.freedom >= FEWEST_DEGREES or stored is None):
        return here
    return stored


def spreads_of_runs(metric: Metric, runs: Iterable[RunReport]) -> dict[str, Spread]:
    """By column of the metric, for a report of these runs; without those that nobody knows."""
    arms: dict[str, list[Sequence[int]]] = {}
    for run in runs:
        if run.trained and run.results:
            arms.setdefault(run.arm, []).append(run.results)
    alike = [results for results in arms.values() if len({len(one) for one in results}) == 1]
    found = {measure.name: spread_for(measure, alike, "this ablation") for measure in measures_of(metric)}
    return {name: spread for name, spread in found.items() if spread is not None}


def _says_something(results: Sequence[Sequence[int]]) -> bool:
    found = np.asarray(results)
    if found.ndim != 2 or len(found) < 2 or found.shape[1] < FEWEST_SEQUENCES:
        return False
    return FLOOR <= float((found >= 1).mean()) <= CEILING
