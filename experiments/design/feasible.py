"""Whether looks that are planned can decide at all, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from db.engine import Database
from errors import ConfigError
from experiments.design.bounds import FIRST_LOOK, MOST_LOOKED_AT
from experiments.design.decision import Rules, half_width
from experiments.design.design import Design
from experiments.design.history import ArmResults, earlier_results
from experiments.design.measures import measure_named
from experiments.design.spread import spread_for
from experiments.registry import Experiment
from reports.metric import Metric
from reports.power import power
from settings.json_values import JsonObject


def need_decidable(experiment: Experiment[BaseModel], config: BaseModel, database: Database | None) -> None:
    """Raises ConfigError, with the figure, for adaptive seeds whose interval after all of them is expected to be as
    wide as the margin or wider: no difference of 0 could be shown to be smaller, nor one as large be found in half of
    the cases.

    Only for what is not there yet: an ablation that is goes on as it was planned.
    """
    design = experiment.design(config)
    if design is None or design.rules is None:
        return
    arms, _ = earlier_results(database, experiment)
    found = _scatter(design, design.rules, experiment.metric, arms)
    if found is None:
        return
    (sd, source), rules = found, design.rules
    half = half_width(rules, sd)
    if half < rules.margin:
        return
    measure = measure_named(experiment.metric, rules.measure, "measure")
    raise ConfigError(
        f"seeds.adaptive.margin: {rules.margin:g} {measure.unit} in {measure.label} cannot be decided with "
        f"{rules.most} seeds of {design.sequences} sequences: trained models scatter by {sd:.3g} {measure.unit} "
        f"({source}), so that the interval after the last look is ± {half:.3g}; take a larger margin, or "
        f"{_enough(rules, sd)}"
    )


def adaptive_document(design: Design, metric: Metric, arms: Sequence[ArmResults]) -> JsonObject | None:
    """The entry `adaptive` of what an ablation can find; None where seeds are named. power_at_margin: of the last look
    alone, which all looks together exceed; it and half_width are None where nobody knows how models scatter."""
    rules = design.rules
    if rules is None:
        return None
    measure, found = (
        measure_named(metric, rules.measure, "measure"),
        _scatter(design, rules, metric, arms),
    )
    sd = None if found is None else found[0]
    return {
        "measure": measure.name,
        "label": measure.label,
        "unit": measure.unit,
        "margin": rules.margin,
        "baseline": rules.baseline,
        "first_look": FIRST_LOOK,
        "max": rules.most,
        "bound": rules.bounds[-1],
        "bounds": list(rules.bounds),
        "sd_of_model": sd,
        "half_width": None if sd is None else half_width(rules, sd),
        "power_at_margin": None
        if sd is None
        else power(rules.margin, sd, (rules.most, rules.most), rules.bounds[-1]),
    }


def _scatter(
    design: Design, rules: Rules, metric: Metric, arms: Sequence[ArmResults]
) -> tuple[float, str] | None:
    """SD of a trained model's measure, and where it is from; None where nobody knows."""
    if design.sd is not None:
        return design.sd, "as seeds.adaptive.sd says"
    spread = spread_for(measure_named(metric, rules.measure, "measure"), arms)
    if spread is None or not (sd := spread.of_model(design.sequences)) > 0:
        return None
    return sd, spread.source


def _enough(rules: Rules, sd: float) -> str:
    """More seeds, with the bounds of as many looks as are planned: a few more looks lower them hardly."""
    bound = rules.bounds[-1]
    for most in range(rules.most + 1, MOST_LOOKED_AT + 1):
        longer = Rules(
            rules.baseline, rules.arms, rules.measure, rules.margin, (bound,) * (most - FIRST_LOOK + 1)
        )
        if half_width(longer, sd) < rules.margin:
            return f"{most} seeds and more"
    return f"another measure: {MOST_LOOKED_AT} seeds are not enough"
