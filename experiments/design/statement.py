"""What a planned ablation can find, and what it would take to find a difference that somebody names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from errors import InvalidInput
from experiments.design.design import Design
from experiments.design.feasible import adaptive_document
from experiments.design.history import ArmResults
from experiments.design.measures import Measure, measures_of
from experiments.design.spread import Spread, spread_for
from reports.level import ALPHA
from reports.metric import Metric
from reports.power import detectable, seeds_for
from settings.json_values import JsonObject

#: Sequences that are looked at beside those of the ablation.
_SEQUENCES = (64, 128, 256, 512, 1000)


@dataclass(frozen=True)
class Wanted:
    """A difference in the measure's unit that shall be found with this power (0 to 1)."""

    measure: Measure
    difference: float
    power: float


@dataclass(frozen=True)
class Costs:
    """Seconds of one worker. of_run: one arm with one seed, but for its closed loop. of_sequence: one of these."""

    of_run: float
    of_sequence: float


def check_wanted(wanted: Wanted) -> None:
    """Raises InvalidInput for what no ablation could find or promise."""
    unit, largest = wanted.measure.unit, wanted.measure.largest
    if not 0 < wanted.difference <= largest:
        raise InvalidInput(
            f"--detect {wanted.difference:g}: a difference in {wanted.measure.label} is above 0 and at most "
            f"{largest:g} {unit}"
        )
    check_power(wanted.power)


def check_power(power: float) -> None:
    """Raises InvalidInput."""
    if not ALPHA < power <= 0.999:
        raise InvalidInput(f"--power {power:g}: it is above {ALPHA:g} and at most 0.999")


def power_document(
    design: Design,
    metric: Metric,
    arms: Sequence[ArmResults],
    unread: int,
    power: float,
    wanted: Wanted | None = None,
    costs: Costs | None = None,
) -> JsonObject:
    """The entry `power` of `plan --json`.

    arms: of earlier ablations, see `experiments.design.history`; unread: how many of them could not be used. Figures of
    which nothing is known are None. Differences are in each measure's unit, between two arms, by Welch's t over one
    mean for each trained model, two-sided at 0.05 and not corrected for several arms;
    of adaptive seeds, those that are found at the last look, with its bound.
    """
    known = measures_of(metric)
    if design.rules is not None:
        known = tuple(measure for measure in known if measure.name == design.rules.measure)
    measures = [
        _of_measure(design, measure, spread, power)
        for measure in known
        if (spread := spread_for(measure, arms)) is not None
    ]
    return {
        "power": power,
        "alpha": ALPHA,
        "arms": len(design.arms),
        "seeds": design.seeds,
        "sequences": design.sequences,
        "unread_ablations": unread,
        "measures": measures,
        "adaptive": adaptive_document(design, metric, arms),
        "asked": None if wanted is None else _asked(design, wanted, spread_for(wanted.measure, arms), costs),
    }


def _of_measure(design: Design, measure: Measure, spread: Spread, power: float) -> JsonObject:
    sd, (low, high) = spread.of_model(design.sequences), spread.interval_of_model(design.sequences)
    return {
        "measure": measure.name,
        "label": measure.label,
        "unit": measure.unit,
        **_told(spread),
        "sd_of_model": sd,
        "detects": _detects(measure, sd, design, power),
        "detects_interval": [_detects(measure, edge, design, power) for edge in (low, high)],
        "another_seed_moves": 1.96 * 2**0.5 * spread.between_seeds,
    }


def _told(spread: Spread) -> dict[str, object]:
    return {
        "sd_between_seeds": spread.between_seeds,
        "sd_between_seeds_interval": list(spread.interval),
        "sd_of_cells": spread.cells,
        "degrees_of_freedom": spread.freedom,
        "source": spread.source,
        "arms_left_out": spread.left_out,
    }


def _detects(measure: Measure, sd: float, design: Design, power: float) -> float | None:
    """None where no difference that the measure can have is found. Of adaptive seeds: at the last look."""
    if design.seeds < 2:
        return None
    alpha = ALPHA if design.rules is None else design.rules.bounds[-1]
    found = detectable(sd, (design.seeds, design.seeds), power, alpha) if sd > 0 else 0.0
    return found if found <= measure.largest else None


def _asked(design: Design, wanted: Wanted, spread: Spread | None, costs: Costs | None) -> JsonObject:
    found: dict[str, object] = {
        "measure": wanted.measure.name,
        "label": wanted.measure.label,
        "unit": wanted.measure.unit,
        "difference": wanted.difference,
        "options": None,
        "cheapest": None,
    }
    if spread is None:
        return found
    counts = sorted({*_SEQUENCES, design.sequences})
    options = [_option(design, wanted, spread, sequences, costs) for sequences in counts]
    timed = {option["worker_seconds"]: option["sequences"] for option in options if option["worker_seconds"]}
    return {
        **found,
        **_told(spread),
        "options": options,
        "cheapest": timed[min(timed)] if timed else None,  # type: ignore[type-var]
    }


def _option(
    design: Design, wanted: Wanted, spread: Spread, sequences: int, costs: Costs | None
) -> Mapping[str, object]:
    sd, edges = spread.of_model(sequences), spread.interval_of_model(sequences)
    seeds = _seeds(wanted, sd)
    seconds = None
    if costs is not None and seeds is not None:
        each = costs.of_run + sequences * costs.of_sequence
        seconds = round(seeds * len(design.arms) * each, 1)
    return {
        "sequences": sequences,
        "seeds": seeds,
        "seeds_interval": [_seeds(wanted, edge) for edge in edges],
        "worker_seconds": seconds,
    }


def _seeds(wanted: Wanted, sd: float) -> int | None:
    return 2 if sd == 0 else seeds_for(wanted.difference, sd, wanted.power)
